#!/usr/bin/env bash
# The figures of the operations engine on this machine, and of other queues beside it: a private
# PostgreSQL with durable commits, the same for all, one after the other. Prints
# `figure <name> <number> <unit>` lines. Leaves nothing behind but the peers' programs. Takes about
# eight minutes; PEERS=none leaves the peers out.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
VENV=$ROOT/var/venv-operations

# As scripts/setup.sh does it: made anew when the list changed; the stamp is written last.
install_peers() {
    local want
    want=$(sha256sum <"$ROOT/scripts/requirements-operations.txt")
    if [[ -e $VENV/stamp && $(<"$VENV/stamp") == "$want" ]]; then
        return
    fi
    echo "bench-operations: installing the peers of scripts/requirements-operations.txt" >&2
    rm -rf "$VENV"
    /usr/bin/python3 -m venv "$VENV"
    PIP_CERT=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt} \
        "$VENV/bin/pip" install -q --disable-pip-version-check --no-deps \
        -r "$ROOT/scripts/requirements-operations.txt" >&2
    echo "$want" >"$VENV/stamp"
}

arguments=()
if [[ ${PEERS:-all} != none ]]; then
    install_peers
    arguments=(--peers "$VENV/bin/python $ROOT/scripts/bench-operations-peers.py")
fi
echo "machine: $(nproc) cores, $(awk -F ': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
# PostgreSQL's unprivileged user has to get there.
DIRECTORY=$(mktemp -d /var/lib/berth-bench.XXXXXX)
chmod 711 "$DIRECTORY"
trap 'rm -rf "$DIRECTORY"' EXIT
trap 'exit 130' INT TERM
stdbuf -oL "$BIN/berth-hub" bench operations --data "$DIRECTORY/hub" "${arguments[@]}"
