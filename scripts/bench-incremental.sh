#!/usr/bin/env bash
# Backups of what has changed, beside restic: the same files, the same file system, one run.
# Ours is timed by the records: from the agent's lease (cold caches) or from the moment the snapshot
# was taken (warm ones) to the commit in the hub's database, into a bucket that is a directory.
# Prints `figure <name> <number> <unit>` lines last. Leaves nothing behind.
#
# Environment: BERTH_BENCH_ROUNDS (3); BERTH_BENCH_PARTS ("few growth large"), what is measured;
# BERTH_BENCH_FILES (200000), BERTH_BENCH_GROWTH ("50000 400000"), BERTH_BENCH_LARGE_MIB (4096).
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# shellcheck source=scripts/fleet-functions.sh
source "$ROOT/scripts/fleet-functions.sh"
FLEET=$(fleet_directory bench-incremental)
ROUNDS=${BERTH_BENCH_ROUNDS:-3}
PARTS=${BERTH_BENCH_PARTS:-few growth large}
FILES=${BERTH_BENCH_FILES:-200000}
GROWTH=${BERTH_BENCH_GROWTH:-50000 400000}
LARGE_MIB=${BERTH_BENCH_LARGE_MIB:-4096}
export RESTIC_PASSWORD=bench

finish() {
    local code=$?
    trap - EXIT INT TERM
    fleet_remove
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$(median <"$FLEET/$1")" -v b="$(median <"$FLEET/$2")" 'BEGIN { printf "%.2f", a / b }'; }
volume_of() { printf '%s/projects/%s' "$(mount_of host-1)" "$(berth project show "$1" -o id)"; }
cold() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}
ask() {
    psql --no-psqlrc --tuples-only --no-align --host "$FLEET/hub/postgres/socket" \
        --username postgres --dbname berth --command "$1"
}
bucket_bytes() { find "$FLEET/hub/bucket" -type f ! -path '*/locks/*' -printf '%s\n' | awk '{ s += $1 } END { print s }'; }

# Seconds of the newest backup up to its record, from a column of the database.
# usage: seconds_since taken|leased
seconds_since() {
    case $1 in
    taken) ask "select extract(epoch from recorded_at - taken_at) from backups order by recorded_at desc limit 1" ;;
    leased) ask "select extract(epoch from b.recorded_at - e.begun_at) from backups b join operation_end e on e.operation = b.operation order by b.recorded_at desc limit 1" ;;
    esac
}

# Twelve files in twelve directories get other bytes. usage: change_few VOLUME SEED
change_few() {
    find "$1" -type f -size -64k -printf '%h %p\n' | awk -v seed="$2" '
        BEGIN { srand(seed) }
        !($1 in seen) { seen[$1] = 1; n++; paths[n] = $2 }
        END { for (i = 0; i < 12; i++) print paths[int(rand() * n) + 1] }' | while read -r path; do
        echo "changed $2" >>"$path"
    done
}

# usage: ours LIST SINCE PROJECT    a backup, which must go by what has changed
ours() {
    local how
    how=$(berth backup create "$3" -o json | tee "$FLEET/last.json" | jq -r '.result.detection.method')
    [[ $how == changes ]] || die "the backup of $3 was made by: $how ($(jq -c .result.detection "$FLEET/last.json"))"
    seconds_since "$2" >>"$FLEET/$1"
    say "  $1: $(tail -n 1 "$FLEET/$1") s; $(jq -c .result.detection "$FLEET/last.json")"
}

# usage: stock LIST VOLUME    restic's incremental backup
stock() {
    local begin
    begin=$(date +%s.%N)
    restic --no-cache -q -r "$FLEET/restic" backup "$2" >>"$FLEET/peers.log" 2>&1
    awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { printf "%.3f\n", b - a }' >>"$FLEET/$1"
    say "  $1: $(tail -n 1 "$FLEET/$1") s"
}

# usage: tree_project NAME FILES    a project with so many small files and a first backup
tree_project() {
    berth project create "$1" --host host-1 >/dev/null
    berth project import "$1" "$FLEET/empty" --faithful >/dev/null 2>&1
    python3 "$ROOT/scripts/make-tree.py" small "$(volume_of "$1")/tree" --seed 1 --files "$2"
    say "  $1: $(berth backup create "$1" 2>&1 | tail -n 1)"
}

few() {
    local volume before round
    say "12 of $FILES files"
    tree_project few "$FILES"
    volume=$(volume_of few)
    restic --no-cache init -r "$FLEET/restic" >/dev/null
    restic --no-cache -q -r "$FLEET/restic" backup "$volume" >/dev/null
    for round in $(seq "$ROUNDS"); do
        change_few "$volume" "$round"
        cold
        ours few-cold leased few
        cold
        stock few-restic "$volume"
        change_few "$volume" "warm$round"
        before=$(bucket_bytes)
        ours few-warm taken few
        jq --argjson added $(($(bucket_bytes) - before)) -r \
            '$added / 1024 / .result.detection.rebuiltDirectories' "$FLEET/last.json" >>"$FLEET/few-metadata"
    done
    rm -rf "$FLEET/restic"
    berth project delete few --confirm few --yes >/dev/null
}

growth() {
    local count round
    for count in $GROWTH; do
        say "12 of $count files"
        tree_project "growth-$count" "$count"
        for round in 1 2 3 4 5; do
            change_few "$(volume_of "growth-$count")" "$round"
            ours "growth-$count" taken "growth-$count"
        done
        berth project delete "growth-$count" --confirm "growth-$count" --yes >/dev/null
    done
}

large() {
    local volume round
    say "4 KiB inside a file of $LARGE_MIB MiB"
    berth project create large --host host-1 >/dev/null
    berth project import large "$FLEET/empty" --faithful >/dev/null 2>&1
    volume=$(volume_of large)
    openssl enc -aes-128-ctr -K 0102 -iv 0304 -in /dev/zero 2>/dev/null | head -c "${LARGE_MIB}M" >"$volume/file" || true
    say "  large: $(berth backup create large 2>&1 | tail -n 1)"
    restic --no-cache init -r "$FLEET/restic" >/dev/null
    restic --no-cache -q -r "$FLEET/restic" backup "$volume" >/dev/null
    for round in $(seq "$ROUNDS"); do
        head -c 4096 /dev/urandom | dd of="$volume/file" bs=4096 seek=$((round * LARGE_MIB * 60)) conv=notrunc status=none
        cold
        ours large-ours leased large
        cold
        stock large-restic "$volume"
    done
    rm -rf "$FLEET/restic"
}

fleet_remove
mkdir -p "$FLEET/empty"
hub_init 60s
hub_start
log_in bench
agent_join host-1 60G
agent_start host-1
wait_for 30 "host-1 being ready" host_ready host-1
for part in $PARTS; do "$part"; done

say ""
PEAK=$(awk '/^VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$(cat "$FLEET/host-1.pid")/status")
if [[ " $PARTS " == *" few "* ]]; then
    echo "figure incremental_ratio $(ratio few-restic few-cold) x"
    echo "figure incremental_seconds $(median <"$FLEET/few-warm") s"
    echo "figure metadata_added_kib $(median <"$FLEET/few-metadata") KiB"
fi
if [[ " $PARTS " == *" growth "* ]]; then
    echo "figure incremental_growth $(ratio "growth-${GROWTH##* }" "growth-${GROWTH%% *}") x"
fi
if [[ " $PARTS " == *" large "* ]]; then
    echo "figure incremental_large_file_ratio $(ratio large-restic large-ours) x"
fi
echo "figure peak_rss_mib $PEAK MiB"
