#!/usr/bin/env bash
# Starts a fleet on this machine and leaves it running, or removes it.
# usage: fleet.sh up|down
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# shellcheck source=scripts/fleet-functions.sh
source "$ROOT/scripts/fleet-functions.sh"
FLEET=$(fleet_directory fleet)

up() {
    if alive hub; then
        say "The fleet runs already; make down removes it."
    else
        fleet_remove
        mkdir -p "$FLEET"
        hub_init 30s
        hub_start
        log_in "$(id -un)"
        local host
        for host in host-1 host-2; do
            agent_join "$host" 8G
            agent_start "$host"
        done
        for host in host-1 host-2; do wait_for 30 "$host being ready" host_ready "$host"; done
        disown -a
    fi
    cat <<EOF

A hub and two hosts run on this machine, in $FLEET.

  alias berth='$BIN/berth --config $FLEET/client.json'

  berth status
  berth project create first --host host-1 -- sh -c 'while sleep 1; do date >> log; done'
  berth project import first /usr/share/doc
  berth project start first
  berth backup create first
  berth backup ls first latest
  berth project move first --to host-2 --yes
  berth operation list

Remove all of it: make down
EOF
}

case "${1:-}" in
up) up ;;
down)
    fleet_remove
    say "The fleet is gone."
    ;;
*) die "usage: fleet.sh up|down" ;;
esac
