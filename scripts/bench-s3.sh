#!/usr/bin/env bash
# The figures of the S3 client on this machine, `rclone copy` and boto3 beside it, against one
# `rclone serve s3` on loopback. Prints `figure <name> <number> <unit>` lines last. Leaves nothing
# behind. Streaming 4 GiB in parts needs 5 GiB of memory for rclone, which keeps parts there.
#
# Environment: BERTH_BENCH_ROUNDS (3), BERTH_BENCH_LARGE (24 objects of 16 MiB), BERTH_BENCH_SMALL
# (1000 objects of 4 KiB), BERTH_BENCH_STREAM (4294967296 bytes), BERTH_BENCH_BACKUP (1073741824
# bytes of a first backup) and BERTH_BENCH_BACKUPS (5 pairs of them).
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BENCH=${BIN:-$ROOT/.build/release}/berth-bench-s3
TOOLS=$ROOT/var/venv/bin
ROUNDS=${BERTH_BENCH_ROUNDS:-3}
LARGE=${BERTH_BENCH_LARGE:-24}
SMALL=${BERTH_BENCH_SMALL:-1000}
STREAM=${BERTH_BENCH_STREAM:-4294967296}
BACKUP=${BERTH_BENCH_BACKUP:-1073741824}
BACKUPS=${BERTH_BENCH_BACKUPS:-5}

# Not in /tmp: where very many files came and went, ext4 takes four times as long to make new ones.
mkdir -p "$ROOT/var"
PLACE=$(mktemp -d "$ROOT/var/bench-s3-XXXXXX")
PROCESSES=()
finish() {
    local code=$? process
    trap - EXIT INT TERM
    for process in "${PROCESSES[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$PLACE"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

say() { echo "$*" >&2; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f\n", b - a }'; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

mkdir "$PLACE/data" "$PLACE/data/bench" "$PLACE/files" "$PLACE/back"
export BERTH_BENCH_KEY=BENCHKEY BERTH_BENCH_SECRET=bench-secret BERTH_BENCH_BUCKET=bench
"$TOOLS/rclone" serve s3 --addr 127.0.0.1:0 --auth-key "$BERTH_BENCH_KEY,$BERTH_BENCH_SECRET" \
    --config /dev/null --cache-dir "$PLACE/cache" "$PLACE/data" >"$PLACE/log" 2>&1 &
SERVER=$!
PROCESSES+=("$SERVER")
for _ in $(seq 300); do
    BERTH_BENCH_ENDPOINT=$(grep -o 'http://127.0.0.1:[0-9]*' "$PLACE/log" | tail -n 1) && break
    kill -0 "$SERVER" || { cat "$PLACE/log" >&2; exit 1; }
    sleep 0.1
done
export BERTH_BENCH_ENDPOINT
for index in $(seq 0 $((LARGE - 1))); do
    head -c 16777216 /dev/urandom >"$PLACE/files/$index"
done

rclone() {
    RCLONE_CONFIG_B_TYPE=s3 RCLONE_CONFIG_B_PROVIDER=Rclone RCLONE_CONFIG_B_ENDPOINT=$BERTH_BENCH_ENDPOINT \
        RCLONE_CONFIG_B_ACCESS_KEY_ID=$BERTH_BENCH_KEY RCLONE_CONFIG_B_SECRET_ACCESS_KEY=$BERTH_BENCH_SECRET \
        "$TOOLS/rclone" --config /dev/null --transfers 4 --checkers 4 --no-traverse -q "$@"
}

# Alternately, so that both meet the same machine.
for round in $(seq "$ROUNDS"); do
    begin=$(now)
    "$BENCH" put "$PLACE/files" "ours-$round" "$LARGE"
    "$BENCH" get "$PLACE/back" "ours-$round" "$LARGE"
    since "$begin" >>"$PLACE/ours"
    cmp "$PLACE/files/0" "$PLACE/back/0"
    rm -rf "$PLACE/back" "$PLACE/data/bench/ours-$round"
    mkdir "$PLACE/back"
    begin=$(now)
    rclone copy "$PLACE/files" "B:bench/rclone-$round"
    rclone copy "B:bench/rclone-$round" "$PLACE/back"
    since "$begin" >>"$PLACE/rclone"
    cmp "$PLACE/files/0" "$PLACE/back/0"
    rm -rf "$PLACE/back" "$PLACE/data/bench/rclone-$round"
    mkdir "$PLACE/back"
    say "16 MiB put and get, round $round: ours $(tail -n 1 "$PLACE/ours") s, rclone copy $(tail -n 1 "$PLACE/rclone") s"
    # The pages of the large objects are written now, not in somebody's time.
    sync -f "$PLACE"
    "$BENCH" small "$SMALL" >>"$PLACE/small"
    "$TOOLS/python" "$ROOT/scripts/bench-s3-boto3.py" "$SMALL" >>"$PLACE/boto3"
    rm -rf "$PLACE"/data/bench/small-*
    say "4 KiB objects a second, round $round: ours $(tail -n 1 "$PLACE/small"), boto3 $(tail -n 1 "$PLACE/boto3")"
done
PRESIGN=$("$BENCH" presign 100000)

# A first backup with the credentials, and with URLs that another process signs, taking turns at
# who is first. The files cannot be compressed; they are read once before.
mkdir "$PLACE/project"
for index in $(seq 0 $((BACKUP / 4194304 - 1))); do
    head -c 4194304 /dev/urandom >"$PLACE/project/$index"
done
"$BENCH" serve >"$PLACE/signer" &
PROCESSES+=($!)
until [[ -s $PLACE/signer ]]; do sleep 0.1; done
backup() { # NAME [SIGNER]
    local name=$1
    shift
    # The pages of the run before are written now, not in somebody's time.
    sync -f "$PLACE"
    "$BENCH" backup "$PLACE/project" "$@" >>"$PLACE/backup-$name"
    rm -rf "$PLACE"/data/bench/backup-*
}
"$BENCH" backup "$PLACE/project" >/dev/null
rm -rf "$PLACE"/data/bench/backup-*
for round in $(seq "$BACKUPS"); do
    if ((round % 2)); then
        backup static
        backup presigned "$(<"$PLACE/signer")"
    else
        backup presigned "$(<"$PLACE/signer")"
        backup static
    fi
    say "first backup of $((BACKUP >> 20)) MiB, round $round: static $(tail -n 1 "$PLACE/backup-static") s, presigned $(tail -n 1 "$PLACE/backup-presigned") s"
done
rm -rf "$PLACE/project"
OVERHEAD=$(awk -v a="$(median <"$PLACE/backup-presigned")" -v b="$(median <"$PLACE/backup-static")" \
    'BEGIN { printf "%.1f", (a / b - 1) * 100 }')
say "streaming $STREAM bytes there and back"
RSS=$("$BENCH" stream "$STREAM")

echo "figure put_get_ratio $(ratio "$(median <"$PLACE/rclone")" "$(median <"$PLACE/ours")") x"
echo "figure small_objects_per_second_ratio $(ratio "$(median <"$PLACE/small")" "$(median <"$PLACE/boto3")") x"
echo "figure presign_per_second $PRESIGN 1/s"
echo "figure grant_overhead_percent $OVERHEAD %"
echo "figure peak_rss_mib $RSS MiB"
