#!/usr/bin/env bash
# The registry's figures on this machine: a private PostgreSQL with durable commits, a log of some
# hundred thousand events, and a fleet of 1,000,000 projects on 3,000 hosts. Prints
# `figure <name> <number> <unit>` lines. Leaves nothing behind. Takes about three minutes.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# PostgreSQL's unprivileged user has to get there.
DIRECTORY=$(mktemp -d /var/lib/berth-bench.XXXXXX)
chmod 711 "$DIRECTORY"
trap 'rm -rf "$DIRECTORY"' EXIT
trap 'exit 130' INT TERM
stdbuf -oL "$BIN/berth-hub" bench registry --data "$DIRECTORY/hub"
