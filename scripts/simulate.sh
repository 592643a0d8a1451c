#!/bin/bash
# Builds the simulator for release, without the rest of the product, and searches so many states of
# the small fleets and runs so many random histories.
#
# usage: simulate.sh STATES HISTORIES [FIRST-SEED]
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
scratch=.build/simulator
BERTH_ONLY=Simulator swift build -c release --scratch-path "$scratch" --product berth-simulate \
    >"$log" 2>&1 || { cat "$log"; exit 1; }
"$scratch/release/berth-simulate" "$@"
