#!/usr/bin/env bash
# The repository engine beside restic and borg: the same files, the same file system, cold caches.
# Ours is the whole chain: from `berth` on the command line through the agent and the hub's gateway
# into a bucket that is a directory, to the recorded commit; a restore ends with its receipt. The
# part `s3` does the same with a bucket on an S3 server on loopback (`rclone serve s3`), stock restic
# on the same server beside it.
# Prints `figure <name> <number> <unit>` lines last, and how far from what the machine can do the
# large backup is: its processor time beside that of its parts alone. Leaves nothing behind.
#
# Environment: BERTH_BENCH_ROUNDS (3); BERTH_BENCH_PARTS ("small large s3"), what is measured;
# BERTH_BENCH_FILES (200000), BERTH_BENCH_LARGE_MIB (4096), BERTH_BENCH_S3_MIB (1024).
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# shellcheck source=scripts/fleet-functions.sh
source "$ROOT/scripts/fleet-functions.sh"
FLEET=$(fleet_directory bench-repository)
ROUNDS=${BERTH_BENCH_ROUNDS:-3}
PARTS=${BERTH_BENCH_PARTS:-small large s3}
FILES=${BERTH_BENCH_FILES:-200000}
LARGE_MIB=${BERTH_BENCH_LARGE_MIB:-4096}
S3_MIB=${BERTH_BENCH_S3_MIB:-1024}
S3_SERVER=
export RESTIC_PASSWORD=bench BORG_PASSPHRASE=bench
export BORG_BASE_DIR=$FLEET/borg-base BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes

finish() {
    local code=$?
    trap - EXIT INT TERM
    if [[ -n $S3_SERVER ]]; then
        kill "$S3_SERVER" 2>/dev/null || true
        wait "$S3_SERVER" 2>/dev/null || true
    fi
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

# Processor seconds that agent and hub have used so far, those of their ended children included.
processor_seconds() {
    awk -v ticks="$(getconf CLK_TCK)" '{ s += $14 + $15 + $16 + $17 } END { printf "%.2f", s / ticks }' \
        "/proc/$(cat "$FLEET/host-1.pid")/stat" "/proc/$(cat "$FLEET/hub.pid")/stat"
}

# usage: primitives TREE    what each part of the large backup costs alone, on the same files
primitives() {
    local scratch
    scratch=$(mount_of host-1)/primitives
    cold
    "$BIN/berth-bench-repository" "$1" "$scratch" >"$FLEET/primitives"
    rm -f "$scratch"
    awk '$1 == "sum" { print $2 }' "$FLEET/primitives" >>"$FLEET/primitives-sums"
}

# A bucket on an S3 server of other people's making.
s3_bucket() {
    mkdir -p "$FLEET/s3/bench-backups"
    "$ROOT/var/venv/bin/rclone" serve s3 --addr 127.0.0.1:0 --auth-key bench-key,bench-secret \
        --config /dev/null --cache-dir "$FLEET/s3-cache" "$FLEET/s3" >"$FLEET/s3.log" 2>&1 &
    S3_SERVER=$!
    wait_for 30 "the S3 server's start" grep -q 'http://127.0.0.1:' "$FLEET/s3.log"
    S3_ENDPOINT=$(grep -o 'http://127.0.0.1:[0-9]*' "$FLEET/s3.log" | tail -n 1)
    (umask 077 && echo bench-key >"$FLEET/s3-key" && echo bench-secret >"$FLEET/s3-secret")
    berth bucket create bench-s3 --endpoint "$S3_ENDPOINT" --bucket bench-backups \
        --access-key "file:$FLEET/s3-key" --secret-key "file:$FLEET/s3-secret" >/dev/null
    export AWS_ACCESS_KEY_ID=bench-key AWS_SECRET_ACCESS_KEY=bench-secret # for stock restic
}

# usage: make_project KIND PROJECT SEED MIB    a project with a tree in its volume
make_project() {
    berth project create "$2" --host host-1 >/dev/null
    # An empty volume; the tree is made in it.
    berth project import "$2" "$FLEET/empty" --faithful >/dev/null 2>&1
    python3 "$ROOT/scripts/make-tree.py" "$1" "$(volume_of "$2")/tree" --seed "$3" \
        --files "$FILES" --mib "$4"
}

# usage: directory_part KIND ROUND
directory_part() {
    local kind=$1 project=bench-$1-$2 before
    make_project "$kind" "$project" "$2" "$LARGE_MIB"
    before=$(processor_seconds)
    timed "ours-$kind" berth backup create "$project"
    awk -v a="$before" -v b="$(processor_seconds)" 'BEGIN { print b - a }' >>"$FLEET/processor-$kind"
    if [[ $kind == small ]]; then
        timed ours-restore berth backup restore "$project" --from-nothing --yes
    else
        primitives "$(volume_of "$project")/tree"
    fi
    peers "$kind" "$(volume_of "$project")"
}

# usage: s3_part ROUND
s3_part() {
    local kind project store
    for kind in small large; do
        project=bench-s3-$kind-$1
        make_project "$kind" "$project" "$1" "$S3_MIB"
        berth project route "$project" bench-s3 >/dev/null
        timed "ours-s3-$kind" berth backup create "$project"
        store=s3:$S3_ENDPOINT/bench-backups/restic-$kind-$1
        restic --no-cache init -r "$store" >/dev/null
        timed "restic-s3-$kind" restic --no-cache -q -r "$store" backup "$(volume_of "$project")"
        rm -rf "$FLEET/s3/bench-backups/restic-$kind-$1"
    done
}

fleet_remove
mkdir -p "$FLEET/empty"
hub_init 60s
hub_start
log_in bench
agent_join host-1 60G
agent_start host-1
wait_for 30 "host-1 being ready" host_ready host-1

[[ " $PARTS " != *" s3 "* ]] || s3_bucket
for part in $PARTS; do
    for round in $(seq "$ROUNDS"); do
        say "$part, round $round"
        case $part in
            small | large) directory_part "$part" "$round" ;;
            s3) s3_part "$round" ;;
            *) die "BERTH_BENCH_PARTS names small, large and s3, not $part" ;;
        esac
    done
done

say ""
PEAK=$(awk '/^VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$(cat "$FLEET/host-1.pid")/status")
for kind in small large; do
    [[ " $PARTS " == *" $kind "* ]] || continue
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
    say "processor seconds of the parts alone, last round:"
    awk '{ printf "  %-13s %s\n", $1, $2 }' "$FLEET/primitives"
    say "processor seconds of agent and hub for the same: $(median <"$FLEET/processor-large")"
    echo "figure cost_ratio $(ratio processor-large primitives-sums) x"
fi
if [[ " $PARTS " == *" s3 "* ]]; then
    for kind in small large; do
        say "medians on S3, $kind files: ours $(median <"$FLEET/ours-s3-$kind") s," \
            "restic $(median <"$FLEET/restic-s3-$kind") s"
        echo "figure first_backup_s3_${kind}_files_ratio $(ratio "restic-s3-$kind" "ours-s3-$kind") x"
    done
fi
echo "figure peak_rss_mib $PEAK MiB"
