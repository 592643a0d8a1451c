# Functions that start, stop and remove a fleet on this machine: a hub and host agents, each agent
# on a btrfs file system of its own in a loop image. Everything lies below $FLEET; nothing outside
# of it is touched. To be sourced by bash.
#
# needs: ROOT (the project), BIN (the programs' directory), and FLEET (the fleet's directory), which
# fleet_directory answers

# Where a fleet lies: below the project's var, or, where the project is below a closed directory such
# as /root, in /var/lib: the hub's private PostgreSQL runs as a user of its own and has to get there.
# usage: fleet_directory NAME
fleet_directory() {
    mkdir -p "$ROOT/var"
    if ((EUID != 0)) || setpriv --reuid postgres --regid postgres --clear-groups test -x "$ROOT/var"; then
        echo "$ROOT/var/$1"
    else
        echo "/var/lib/berth-$1-$(printf %s "$ROOT" | sha256sum | cut -c 1-8)"
    fi
}

berth() { "$BIN/berth" --config "$FLEET/client.json" "$@"; }

say() { printf '%s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    [[ ! -d ${FLEET:-} ]] || printf '%s\n' "$*" >"$FLEET/died"
    exit 1
}

# A TCP port on the loopback that is free now.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Whether the process in a pid file is alive and runs one of our programs.
alive() {
    local pid
    pid=$(cat "$FLEET/$1.pid" 2>/dev/null) || return 1
    [[ "$(readlink "/proc/$pid/exe" 2>/dev/null)" == "$(readlink -f "$BIN")"/* ]]
}

# Waits until a command succeeds. usage: wait_for SECONDS WHAT COMMAND...
wait_for() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || die "$what did not happen within $seconds s; see the logs in $FLEET"
        sleep 0.1
    done
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# usage: hub_init LEASE
hub_init() {
    mkdir -p "$FLEET/hub"
    chmod 711 "$FLEET" "$FLEET/hub"
    local port
    port=$(free_port)
    printf 'listen = "127.0.0.1:%s"\nmigrations = "%s/Migrations"\n\n[limits]\nlease = "%s"\n' "$port" "$ROOT" "$1" >"$FLEET/hub/hub.toml"
    "$BIN/berth-hub" init --data "$FLEET/hub" >"$FLEET/hub-init.log" 2>&1 ||
        die "berth-hub init failed: $(tail -n 3 "$FLEET/hub-init.log")"
}

hub_port() { sed -n 's/^listen = "127.0.0.1:\([0-9]*\)"/\1/p' "$FLEET/hub/hub.toml"; }

hub_start() {
    "$BIN/berth-hub" serve --data "$FLEET/hub" >>"$FLEET/hub.log" 2>&1 &
    echo $! >"$FLEET/hub.pid"
    wait_for 30 "the hub's start" listens "$(hub_port)"
}

hub_kill() {
    kill -KILL "$(cat "$FLEET/hub.pid")"
    wait "$(cat "$FLEET/hub.pid")" 2>/dev/null || true
}

log_in() { berth login --token-file "$FLEET/hub/first-admin-token" --name "$1" >/dev/null; }

# usage: agent_join NAME SIZE
agent_join() {
    mkdir -p "$FLEET/$1"
    berth host enroll "$1" -o id >"$FLEET/$1/join-token"
    chmod 600 "$FLEET/$1/join-token"
    "$BIN/berth-agent" join --token-file "$FLEET/$1/join-token" --data "$FLEET/$1" \
        --loop-image "$FLEET/$1/btrfs.img" --size "$2" >>"$FLEET/$1.log" 2>&1 ||
        die "the agent of $1 could not join: $(tail -n 3 "$FLEET/$1.log")"
}

agent_start() {
    "$BIN/berth-agent" run --data "$FLEET/$1" >>"$FLEET/$1.log" 2>&1 &
    echo $! >"$FLEET/$1.pid"
}

agent_kill() {
    kill -KILL "$(cat "$FLEET/$1.pid")"
    wait "$(cat "$FLEET/$1.pid")" 2>/dev/null || true
}

host_ready() { [[ "$(berth host show "$1" -o json | jq -r .state)" == ready ]]; }

# Where a host's file system is mounted.
mount_of() { findmnt -rno TARGET -S "$(losetup -nO NAME -j "$FLEET/$1/btrfs.img")" | head -n 1; }

# Ends what runs, unmounts and detaches what is ours, and removes the directory.
fleet_remove() {
    [[ -d $FLEET ]] || return 0
    local file name pid mount loop
    for file in "$FLEET"/*.pid; do
        [[ -e $file ]] || continue
        name=$(basename "$file" .pid)
        if alive "$name"; then
            pid=$(cat "$file")
            kill -TERM "$pid" 2>/dev/null || true
            for _ in $(seq 100); do
                [[ -d /proc/$pid ]] || break
                sleep 0.1
            done
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done
    # A private cluster that outlived a killed hub.
    if [[ -f $FLEET/hub/postgres/cluster/postmaster.pid ]]; then
        pid=$(head -n 1 "$FLEET/hub/postgres/cluster/postmaster.pid")
        [[ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" == "$FLEET/hub/postgres/cluster" ]] &&
            kill -INT "$pid" 2>/dev/null
        for _ in $(seq 50); do
            [[ -d /proc/$pid ]] || break
            sleep 0.1
        done
    fi
    for file in "$FLEET"/*/btrfs.img; do
        [[ -e $file ]] || continue
        for loop in $(losetup -nO NAME -j "$file"); do
            while mount=$(findmnt -rno TARGET -S "$loop" | head -n 1) && [[ -n $mount ]]; do
                # The projects' own processes work inside the mount.
                for pid in /proc/[0-9]*; do
                    [[ "$(readlink "$pid/cwd" 2>/dev/null)" == "$mount"* ]] &&
                        kill -KILL "${pid#/proc/}" 2>/dev/null
                done
                sleep 0.2
                umount "$mount" || umount --lazy "$mount"
            done
            losetup -d "$loop" 2>/dev/null || true
        done
    done
    # The control groups of its agents: only empty ones go.
    for file in "$FLEET"/*/identity.json; do
        [[ -e $file ]] || continue
        name=$(jq -r .ledger "$file")
        for mount in /sys/fs/cgroup /sys/fs/cgroup/*; do
            [[ -d $mount/berth-$name ]] || continue
            find "$mount/berth-$name" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done
    done
    # Whatever is still mounted below, so that nothing is removed through a mount.
    while read -r mount; do umount --lazy "$mount"; done < <(
        findmnt -rno TARGET | grep -F "$FLEET/" | sort -r
    )
    rm -rf --one-file-system "$FLEET"
}
