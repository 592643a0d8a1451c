#!/usr/bin/env bash
# What 3,000 idle agents cost one hub, and how fast it takes reports over TLS: a hub with a private
# PostgreSQL on the loopback, all agents simulated by one other process on the same machine.
# Prints `figure <name> <number> <unit>` lines. Leaves nothing behind. Takes about two minutes.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# PostgreSQL's unprivileged user has to get there.
DIRECTORY=$(mktemp -d /var/lib/berth-bench.XXXXXX)
chmod 711 "$DIRECTORY"
HUB=
finish() {
    [[ -z $HUB ]] || { kill "$HUB" && wait "$HUB"; } 2>/dev/null || true
    rm -rf "$DIRECTORY"
}
trap finish EXIT
trap 'exit 130' INT TERM
ulimit -n 65536
mkdir "$DIRECTORY/hub"
chmod 711 "$DIRECTORY/hub"
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$DIRECTORY/hub/hub.toml" <<EOF
listen = "127.0.0.1:$PORT"
migrations = "$ROOT/Migrations"

[limits]
http_connections = 16000
EOF
"$BIN/berth-hub" init --data "$DIRECTORY/hub" >"$DIRECTORY/init.log"
"$BIN/berth-hub" serve --data "$DIRECTORY/hub" 2>"$DIRECTORY/hub.log" &
HUB=$!
for _ in {1..100}; do
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && break
    sleep 0.1
done
stdbuf -oL "$BIN/berth-hub" bench hosts --data "$DIRECTORY/hub" --process "$HUB" || { tail -20 "$DIRECTORY/hub.log"; exit 1; }
