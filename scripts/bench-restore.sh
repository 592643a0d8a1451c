#!/usr/bin/env bash
# How fast a backup is restored, beside restic and borg: the same files, the same file system, cold
# caches. Ours is the whole chain: from `berth` on the command line through hub and agent to the
# recorded receipt. From nothing, and on top of a local state that differs in 100 files.
# Prints `figure <name> <number> <unit>` lines last. Leaves nothing behind.
#
# Environment: BERTH_BENCH_ROUNDS (3), BERTH_BENCH_FILES (200000), BERTH_BENCH_CHANGED (100).
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# shellcheck source=scripts/fleet-functions.sh
source "$ROOT/scripts/fleet-functions.sh"
FLEET=$(fleet_directory bench-restore)
ROUNDS=${BERTH_BENCH_ROUNDS:-3}
FILES=${BERTH_BENCH_FILES:-200000}
CHANGED=${BERTH_BENCH_CHANGED:-100}
export RESTIC_PASSWORD=bench BORG_PASSPHRASE=bench
export BORG_BASE_DIR=$FLEET/borg-base BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes

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
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f\n", b - a }'; }
volume_of() { printf '%s/projects/%s' "$(mount_of host-1)" "$(berth project show "$1" -o id)"; }
ratio() { awk -v a="$(median <"$FLEET/$1")" -v b="$(median <"$FLEET/$2")" 'BEGIN { printf "%.2f", a / b }'; }
# usage: timed NAME COMMAND...    adds its seconds to the list NAME; caches are cold before
timed() {
    local name=$1 begin
    shift
    sync
    echo 3 >/proc/sys/vm/drop_caches
    begin=$(now)
    "$@" >>"$FLEET/commands.log" 2>&1 || die "$* failed: $(tail -n 2 "$FLEET/commands.log")"
    since "$begin" >>"$FLEET/$name"
    say "  $name: $(tail -n 1 "$FLEET/$name") s"
}
# Otherwise a restore first makes a backup of what it is to replace.
fresh() { wait_for 90 "a fresh backup" is_fresh; }
is_fresh() { [[ "$(berth project show bench -o json | jq -r .freshness)" == fresh ]]; }
borg_restore() { (cd "$1" && borg extract "$FLEET/borg::one"); }

fleet_remove
mkdir -p "$FLEET/empty"
hub_init 60s
hub_start
log_in bench
agent_join host-1 40G
agent_start host-1
wait_for 30 "host-1 being ready" host_ready host-1
berth project create bench --host host-1 >/dev/null
berth project import bench "$FLEET/empty" --faithful >/dev/null 2>&1
volume=$(volume_of bench)
python3 "$ROOT/scripts/make-tree.py" small "$volume/tree" --files "$FILES"
before=$(berth backup create bench -o id 2>/dev/null)
restic --no-cache init -r "$FLEET/restic" >/dev/null
restic --no-cache -q -r "$FLEET/restic" backup "$volume"
borg init -e repokey "$FLEET/borg" >/dev/null 2>&1
(cd "$volume" && borg create --compression zstd,3 "$FLEET/borg::one" .)
find "$volume/tree" -type f | sort | awk -v n="$FILES" -v c="$CHANGED" 'NR % int(n / c) == 1' |
    head -n "$CHANGED" | while read -r file; do echo "changed $RANDOM" >>"$file"; done
after=$(berth backup create bench -o id 2>/dev/null)

place=$(mount_of host-1)/peers
for round in $(seq "$ROUNDS"); do
    say "round $round of $ROUNDS"
    fresh
    timed ours-full berth backup restore bench --backup "$before" --from-nothing --yes
    fresh
    timed ours-delta berth backup restore bench --backup "$after" --yes
    fresh
    timed ours-delta berth backup restore bench --backup "$before" --yes
    mkdir -p "$place"
    timed restic-full restic --no-cache -q -r "$FLEET/restic" restore latest --target "$place"
    rm -rf "$place"
    mkdir -p "$place"
    timed borg-full borg_restore "$place"
    rm -rf "$place"
done

say ""
PEAK=$(awk '/^VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$(cat "$FLEET/host-1.pid")/status")
say "medians, $FILES files: from nothing ours $(median <"$FLEET/ours-full") s," \
    "restic $(median <"$FLEET/restic-full") s, borg $(median <"$FLEET/borg-full") s;" \
    "$CHANGED files differ: ours $(median <"$FLEET/ours-delta") s"
echo "figure restore_full_ratio $(ratio restic-full ours-full) x"
echo "figure restore_full_vs_borg_ratio $(ratio borg-full ours-full) x"
echo "figure restore_delta_ratio $(ratio restic-full ours-delta) x"
echo "figure restore_peak_rss_mib $PEAK MiB"
