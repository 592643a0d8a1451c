#!/bin/bash
# Builds everything for release, the simulator with it, and searches so many states of the small
# fleets and runs so many random histories. So the tests notice a release that cannot be built.
#
# usage: simulate.sh STATES HISTORIES [FIRST-SEED]
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift build -c release --static-swift-stdlib >"$log" 2>&1 || { cat "$log"; exit 1; }
.build/release/berth-simulate "$@"
