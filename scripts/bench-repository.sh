#!/usr/bin/env bash
# The repository engine beside restic and borg: the same files, the same file system, cold caches.
# Ours is the whole chain: from `berth` on the command line through the agent and the hub's gateway
# into a bucket that is a directory, to the recorded commit; a restore ends with its receipt.
# Prints `figure <name> <number> <unit>` lines last. Leaves nothing behind.
#
# Environment: BERTH_BENCH_ROUNDS (3); BERTH_BENCH_PARTS ("small large"), what is measured;
# BERTH_BENCH_FILES (200000), BERTH_BENCH_LARGE_MIB (4096).
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# shellcheck source=scripts/fleet-functions.sh
source "$ROOT/scripts/fleet-functions.sh"
FLEET=$(fleet_directory bench-repository)
ROUNDS=${BERTH_BENCH_ROUNDS:-3}
PARTS=${BERTH_BENCH_PARTS:-small large}
FILES=${BERTH_BENCH_FILES:-200000}
LARGE_MIB=${BERTH_BENCH_LARGE_MIB:-4096}
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
cold() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}
# usage: timed NAME COMMAND...    adds its seconds to the list NAME; caches are cold before
timed() {
    local name=$1 begin
    shift
    cold
    begin=$(now)
    "$@" >>"$FLEET/peers.log" 2>&1 || die "$* failed; see $FLEET/peers.log: $(tail -n 2 "$FLEET/peers.log")"
    since "$begin" >>"$FLEET/$name"
    say "  $name: $(tail -n 1 "$FLEET/$name") s"
}

borg_backup() { (cd "$1" && borg create --compression zstd,3 "$FLEET/borg::one" .); }
borg_restore() { (cd "$1" && borg extract "$FLEET/borg::one"); }

# usage: peers KIND VOLUME    what the peers need for the same
peers() {
    local kind=$1 volume=$2 place
    place=$(mount_of host-1)/peers
    restic --no-cache init -r "$FLEET/restic" >/dev/null
    timed "restic-$kind" restic --no-cache -q -r "$FLEET/restic" backup "$volume"
    borg init -e repokey "$FLEET/borg" >/dev/null 2>&1
    timed "borg-$kind" borg_backup "$volume"
    if [[ $kind == small ]]; then
        mkdir -p "$place"
        timed restic-restore restic --no-cache -q -r "$FLEET/restic" restore latest --target "$place"
        rm -rf "$place"
        mkdir -p "$place"
        timed borg-restore borg_restore "$place"
        rm -rf "$place"
    fi
    rm -rf "$FLEET/restic" "$FLEET/borg" "$FLEET/borg-base"
}

fleet_remove
mkdir -p "$FLEET/empty"
hub_init 60s
hub_start
log_in bench
agent_join host-1 60G
agent_start host-1
wait_for 30 "host-1 being ready" host_ready host-1

for kind in $PARTS; do
    for round in $(seq "$ROUNDS"); do
        say "$kind files, round $round"
        project=bench-$kind-$round
        berth project create "$project" --host host-1 >/dev/null
        # An empty volume; the tree is made in it.
        berth project import "$project" "$FLEET/empty" --faithful >/dev/null 2>&1
        volume=$(volume_of "$project")
        python3 "$ROOT/scripts/make-tree.py" "$kind" "$volume/tree" --seed "$round" \
            --files "$FILES" --mib "$LARGE_MIB"
        timed "ours-$kind" berth backup create "$project"
        if [[ $kind == small ]]; then
            timed ours-restore berth backup restore "$project" --from-nothing --yes
        fi
        peers "$kind" "$(volume_of "$project")"
    done
done

say ""
PEAK=$(awk '/^VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$(cat "$FLEET/host-1.pid")/status")
for kind in $PARTS; do
    say "medians, $kind files, first backup: ours $(median <"$FLEET/ours-$kind") s," \
        "restic $(median <"$FLEET/restic-$kind") s, borg $(median <"$FLEET/borg-$kind") s"
done
if [[ " $PARTS " == *" small "* ]]; then
    say "medians, restore of small files: ours $(median <"$FLEET/ours-restore") s," \
        "restic $(median <"$FLEET/restic-restore") s, borg $(median <"$FLEET/borg-restore") s"
    echo "figure first_backup_small_files_ratio $(ratio restic-small ours-small) x"
    echo "figure first_backup_small_files_vs_borg_ratio $(ratio borg-small ours-small) x"
    echo "figure restore_full_ratio $(ratio restic-restore ours-restore) x"
    echo "figure restore_full_vs_borg_ratio $(ratio borg-restore ours-restore) x"
fi
if [[ " $PARTS " == *" large "* ]]; then
    echo "figure first_backup_large_files_ratio $(ratio restic-large ours-large) x"
    echo "figure first_backup_large_files_vs_borg_ratio $(ratio borg-large ours-large) x"
fi
echo "figure peak_rss_mib $PEAK MiB"
