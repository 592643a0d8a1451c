SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

SANITIZED := --skip LayeringTests

.PHONY: help build test check format lint setup tsan asan demo up down bench-smoke bench-operations soak-operations soak-repository bench-repository bench-restore bench-check bench-s3 test-rgw soak-s3

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the Debian packages that are missing (needs root only then)
	@scripts/setup.sh

build: setup ## Build berth-hub, berth-agent and berth for release, into .build/release
	@swift build -c release --static-swift-stdlib

test: setup ## Build and run all tests (as root: loop devices, other users)
	@scripts/test.sh

test-rgw: setup ## Run the tests of buckets against Ceph's gateway too (installs it, as root)
	@scripts/test-rgw.sh

check: setup ## Lint, layering and a build in which every warning is an error
	@scripts/check.sh

format: ## Format the Swift sources in place
	@swift format format --in-place --parallel --recursive Package.swift Sources Tests

lint: ## Check format and style of the Swift sources
	@swift format lint --strict --parallel --recursive Package.swift Sources Tests

tsan: setup ## Run the tests under ThreadSanitizer; the first race ends them
	@export TSAN_OPTIONS=halt_on_error=1
	swift test --sanitize=thread --scratch-path .build/tsan $(SANITIZED)

asan: setup ## Run the tests under AddressSanitizer
	@export ASAN_OPTIONS=detect_leaks=0
	swift test --sanitize=address --scratch-path .build/asan $(SANITIZED)

demo: build ## Show the main job on this machine, then remove everything (BUCKET=s3: on S3)
	@scripts/demo.sh

up: build ## Start a hub and two hosts on this machine and leave them running
	@scripts/fleet.sh up

down: ## Stop what `make up` started and remove it
	@scripts/fleet.sh down

soak-operations: setup ## Simulate at length, and cut the database connection at every message
	@scripts/simulate.sh 5000000 100000
	export BERTH_SOAK=$${BERTH_SOAK:-1}
	swift build --build-tests
	swift test --skip-build --filter '^HubTests\.(EveryMessageTests|ModelTests)'

soak-repository: setup ## Cut prunes short, fuzz the parsers, 100,000 steps of the oracle (a day)
	@scripts/soak-maintenance.sh
	scripts/soak-incremental.sh

soak-s3: setup ## Commit every fault at every request of a project's backups and restores (an hour)
	@export BERTH_SOAK=$${BERTH_SOAK:-1}
	swift build --build-tests
	swift test --skip-build --filter '^EndToEndTests\.BucketFaultTests'

bench-repository: build ## Measure backup and restore beside restic and borg (half an hour)
	@scripts/bench-repository.sh
	for part in check incremental restore; do
	    "scripts/bench-$$part.sh"
	done

bench-restore: build ## Measure restores from nothing and of what differs beside restic and borg
	@scripts/bench-restore.sh

bench-check: build ## Measure a check that reads everything beside restic
	@scripts/bench-check.sh

bench-smoke: build ## Measure the figures of the main job
	@scripts/bench-smoke.sh

bench-operations: build ## Measure the hub: its engine beside other queues, its registry, 3,000 idle agents
	@scripts/bench-operations.sh
	scripts/bench-registry.sh
	scripts/bench-hosts.sh

bench-s3: build ## Measure the S3 client beside rclone and boto3
	@scripts/bench-s3.sh
