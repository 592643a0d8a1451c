#!/usr/bin/env bash
# How fast a repository is checked with everything read, restic's `check --read-data` beside ours on
# the same repository, caches dropped before each run. Ours is the whole way: command, hub, database.
# Prints a table and `figure check_full_ratio <number> x` last. Leaves nothing behind.
#
# Environment: BERTH_BENCH_ROUNDS (3), BERTH_BENCH_FILES (50000), BERTH_BENCH_BIG_MIB (600).
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# shellcheck source=scripts/fleet-functions.sh
source "$ROOT/scripts/fleet-functions.sh"
FLEET=$(fleet_directory bench-check)
ROUNDS=${BERTH_BENCH_ROUNDS:-3}

finish() {
    local code=$?
    trap - EXIT INT TERM
    fleet_remove
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }'; }
cold() { sync; echo 3 >/proc/sys/vm/drop_caches; }

fleet_remove
mkdir -p "$FLEET"
hub_init 30s
hub_start
log_in bench
agent_join host-1 24G
agent_start host-1
wait_for 30 "host-1 being ready" host_ready host-1
python3 "$ROOT/scripts/make-corpus.py" "$FLEET/corpus" \
    --files "${BERTH_BENCH_FILES:-50000}" --big-mib "${BERTH_BENCH_BIG_MIB:-600}"
berth project create bench --host host-1
berth project import bench "$FLEET/corpus" --faithful
berth backup create bench
eval "$(berth backup export-key bench)"
: >"$FLEET/ours"
: >"$FLEET/restic"
for round in $(seq "$ROUNDS"); do
    cold
    begin=$(now)
    berth backup check bench --read all >"$FLEET/answer"
    since "$begin" >>"$FLEET/ours"
    echo >>"$FLEET/ours"
    cold
    begin=$(now)
    restic --no-cache check --read-data >"$FLEET/restic.log" 2>&1
    since "$begin" >>"$FLEET/restic"
    echo >>"$FLEET/restic"
    say "round $round: ours $(tail -1 "$FLEET/ours") s, restic $(tail -1 "$FLEET/restic") s"
done
cat "$FLEET/answer"
ours=$(median <"$FLEET/ours")
theirs=$(median <"$FLEET/restic")
printf '%-28s %10s\n' "check, everything read" "seconds" "berth" "$ours" "restic 0.14" "$theirs"
awk -v a="$theirs" -v b="$ours" 'BEGIN { printf "figure check_full_ratio %.2f x\n", a / b }'
