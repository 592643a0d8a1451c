#!/usr/bin/env bash
# The figures of the main job on this machine, restic beside us on the same files and file system.
# Prints `figure <name> <number> <unit>` lines last. Leaves nothing behind.
#
# Environment: BERTH_BENCH_ROUNDS (3), BERTH_BENCH_CHECKS (200), BERTH_DEMO_FILES, BERTH_DEMO_BIG_MIB.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# shellcheck source=scripts/fleet-functions.sh
source "$ROOT/scripts/fleet-functions.sh"
FLEET=$(fleet_directory bench)
ROUNDS=${BERTH_BENCH_ROUNDS:-3}
CHECKS=${BERTH_BENCH_CHECKS:-200}

finish() {
    local code=$?
    trap - EXIT INT TERM
    fleet_remove
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
percentile() { sort -g | awk -v p="$1" '{ v[NR] = $1 } END { i = int(NR * p / 100 + 0.999); print v[i < 1 ? 1 : i] }'; }
resident_mib() { awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$(cat "$FLEET/$1.pid")/status"; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }'; }
volume_of() { printf '%s/projects/%s' "$(mount_of host-1)" "$(berth project show "$1" -o id)"; }

fleet_remove
mkdir -p "$FLEET"
hub_init 30s
hub_start
log_in bench
for host in host-1 host-2; do
    agent_join "$host" 24G
    agent_start "$host"
done
for host in host-1 host-2; do wait_for 30 "$host being ready" host_ready "$host"; done
sleep 3
HUB_RSS=$(resident_mib hub)
AGENT_RSS=$(resident_mib host-1)

say "wake-up of an idle agent, $CHECKS times"
for _ in $(seq "$CHECKS"); do
    operation=$(berth host check host-1 -o json | jq -r .id)
    berth operation show "$operation" -o json
done | jq -r 'def ms: (.[0:19] + "Z" | fromdate) * 1000 + (.[20:23] | tonumber);
    (.startedAt | ms) - (.createdAt | ms)' >"$FLEET/wakeups"

python3 "$ROOT/scripts/make-corpus.py" "$FLEET/corpus" \
    --files "${BERTH_DEMO_FILES:-22000}" --big-mib "${BERTH_DEMO_BIG_MIB:-300}"
: >"$FLEET/ours"
: >"$FLEET/restic"
for round in $(seq "$ROUNDS"); do
    berth project create "bench-$round" --host host-1
    berth project import "bench-$round" "$FLEET/corpus" --faithful
    sync
    begin=$(now)
    berth backup create "bench-$round"
    since "$begin" >>"$FLEET/ours"
    echo >>"$FLEET/ours"
    export RESTIC_PASSWORD=bench RESTIC_REPOSITORY=$FLEET/restic-$round
    restic --no-cache init >/dev/null
    sync
    begin=$(now)
    restic --no-cache -q backup "$(volume_of "bench-$round")" 2>/dev/null || true
    since "$begin" >>"$FLEET/restic"
    echo >>"$FLEET/restic"
    rm -rf "${FLEET:?}/restic-$round"
    say "first backup, round $round: ours $(tail -n 1 "$FLEET/ours") s, restic $(tail -n 1 "$FLEET/restic") s"
done
begin=$(now)
berth project move bench-1 --to host-2 --yes
MOVE=$(since "$begin")

OURS=$(median <"$FLEET/ours")
RESTIC=$(median <"$FLEET/restic")
say ""
say "medians: first backup ours $OURS s, restic $RESTIC s"
echo "figure first_backup_ratio $(awk -v a="$RESTIC" -v b="$OURS" 'BEGIN { printf "%.2f", a / b }') x"
echo "figure idle_hub_rss_mib $HUB_RSS MiB"
echo "figure idle_agent_rss_mib $AGENT_RSS MiB"
echo "figure move_seconds $MOVE s"
echo "figure operation_wakeup_ms_p50 $(percentile 50 <"$FLEET/wakeups") ms"
echo "figure operation_wakeup_ms_p99 $(percentile 99 <"$FLEET/wakeups") ms"
