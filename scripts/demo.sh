#!/usr/bin/env bash
# The main job, for real: a hub, two hosts, and a project's life between them. `make demo` builds
# first and then runs this. Ends with a table of what was done; leaves nothing behind.
#
# Environment: BUCKET=s3 keeps the backups on S3 (rclone serve s3); BERTH_DEMO_FILES (22000) and BERTH_DEMO_BIG_MIB (300) size the project.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${BIN:-$ROOT/.build/release}
# shellcheck source=scripts/fleet-functions.sh
source "$ROOT/scripts/fleet-functions.sh"
FLEET=$(fleet_directory demo)
FILES=${BERTH_DEMO_FILES:-22000}
BUCKET=${BUCKET:-directory}
[[ $BUCKET == directory || $BUCKET == s3 ]] || die "BUCKET is directory or s3, not $BUCKET"
S3_KEY=demo-key S3_SECRET=demo-secret-$RANDOM$RANDOM
S3_SERVER=
BIG_MIB=${BERTH_DEMO_BIG_MIB:-300}
TABLE=()
STEP=start
TRACE=
STARTED=$(date +%s.%N)

# The program, with what it says kept for the reader of a failure; a terminal is left to it.
berth() {
    local code=0
    if [[ -t 2 ]]; then
        "$BIN/berth" --config "$FLEET/client.json" "$@"
        return
    fi
    "$BIN/berth" --config "$FLEET/client.json" "$@" 2>"$FLEET/said" || code=$?
    cat "$FLEET/said" >&2
    if ((code != 0)); then
        printf 'berth %s\n' "$*" >"$FLEET/refused"
        mv "$FLEET/said" "$FLEET/refusal"
    fi
    return "$code"
}

# What failed, last: of a log often only the end is kept.
tell_failure() { # CODE
    local operation
    say ""
    say "The demo failed. The logs' last lines:"
    tail -n 5 "$FLEET"/*.log 2>/dev/null || true
    operation=$(cat "$FLEET/refused" "$FLEET/refusal" 2>/dev/null | grep -o 'operation_[0-9a-z]*' | head -n 1) || true
    if [[ -n $operation ]]; then
        say ""
        say "The operation:"
        timeout 20 "$BIN/berth" --config "$FLEET/client.json" operation show "$operation" 2>&1 || true
    fi
    say ""
    say "failed step: $STEP (exit code $1)"
    [[ -z $TRACE ]] || say "failed command: ${TRACE#; }"
    [[ ! -e $FLEET/refused ]] || say "refused last: $(cat "$FLEET/refused")"
    say "reason: $(cat "$FLEET/died" 2>/dev/null || tail -n 5 "$FLEET/refusal" 2>/dev/null || true)"
}

finish() {
    local code=$?
    trap - EXIT INT TERM
    if ((code != 0)); then
        tell_failure "$code" >&2
        [[ -n "${BERTH_DEMO_KEEP:-}" ]] && { say "kept: $FLEET"; exit "$code"; }
    fi
    if [[ -n $S3_SERVER ]]; then
        kill "$S3_SERVER" 2>/dev/null || true
        wait "$S3_SERVER" 2>/dev/null || true
    fi
    fleet_remove
    exit "$code"
}
set -o errtrace
trap 'TRACE+="; ${FUNCNAME[0]:-main}, line $LINENO: $BASH_COMMAND"' ERR
trap finish EXIT
trap 'exit 130' INT TERM

# Runs a step, says it, and notes how long it took. usage: step TITLE COMMAND...
step() {
    local title=$1 begin end
    shift
    STEP=$title
    say "▸ $title"
    begin=$(date +%s.%N)
    "$@"
    end=$(date +%s.%N)
    TABLE+=("$(printf '%6.1f s  %s' "$(echo "$end $begin" | awk '{print $1 - $2}')" "$title")")
}

volume_of() { # PROJECT HOST
    local id
    id=$(berth project show "$1" -o id)
    printf '%s/projects/%s' "$(mount_of "$2")" "$id"
}

# A name as the lister writes it.
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

list_tree() { python3 "$ROOT/scripts/list-tree.py" "$@"; }

same_trees() { # WHAT FILE FILE
    cmp -s "$2" "$3" || {
        diff "$2" "$3" | head -n 10
        die "$1 differ"
    }
    say "  $1 are identical: $(wc -l <"$2") entries, contents and metadata"
}

operation_state() { berth operation show "$1" -o json | jq -r .state; }
operation_phase() { berth operation show "$1" -o json | jq -r '.phase // ""'; }
has_begun() { [[ "$(operation_state "$1")" != queued ]]; }

make_fleet() {
    fleet_remove
    mkdir -p "$FLEET"
    hub_init 6s
    hub_start
    log_in demo
    [[ $BUCKET == directory ]] || s3_bucket
    for host in host-1 host-2; do
        agent_join "$host" 12G
        agent_start "$host"
    done
    for host in host-1 host-2; do wait_for 30 "$host being ready" host_ready "$host"; done
    berth status
}

# An S3 server of other people's making, and a bucket of it as the fleet's default.
s3_bucket() {
    mkdir -p "$FLEET/s3/demo-backups"
    "$ROOT/var/venv/bin/rclone" serve s3 --addr 127.0.0.1:0 --auth-key "$S3_KEY,$S3_SECRET" \
        --config /dev/null --cache-dir "$FLEET/s3-cache" "$FLEET/s3" >"$FLEET/s3.log" 2>&1 &
    S3_SERVER=$!
    wait_for 30 "the S3 server's start" grep -q 'http://127.0.0.1:' "$FLEET/s3.log"
    local endpoint
    endpoint=$(grep -o 'http://127.0.0.1:[0-9]*' "$FLEET/s3.log" | tail -n 1)
    (umask 077 && echo "$S3_KEY" >"$FLEET/s3-key" && echo "$S3_SECRET" >"$FLEET/s3-secret")
    berth bucket create objects --endpoint "$endpoint" --bucket demo-backups --default \
        --access-key "file:$FLEET/s3-key" --secret-key "file:$FLEET/s3-secret" >/dev/null
    berth bucket test objects
    export AWS_ACCESS_KEY_ID=$S3_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET # for stock restic
}

make_corpus() {
    python3 "$ROOT/scripts/make-corpus.py" "$FLEET/corpus" --files "$FILES" --big-mib "$BIG_MIB"
    list_tree "$FLEET/corpus" >"$FLEET/corpus.list"
}

create_project() {
    berth project create thesis --host host-1 --stop-grace 5s -- \
        sh -c 'touch diary; n=$(wc -l < diary); while :; do n=$((n+1)); echo "$n" >> diary; sleep 0.05; done'
    berth project import thesis "$FLEET/corpus" --to corpus --faithful
    list_tree "$(volume_of thesis host-1)/corpus" >"$FLEET/imported.list"
    sed 1d "$FLEET/corpus.list" >"$FLEET/corpus.inner"
    sed 1d "$FLEET/imported.list" >"$FLEET/imported.inner"
    same_trees "the corpus and the project's copy of it" "$FLEET/corpus.inner" "$FLEET/imported.inner"
}

start_project() {
    berth project start thesis
    wait_for 10 "the process's first lines" test -s "$(volume_of thesis host-1)/diary"
    local owner
    owner=$(stat -c %u "$(volume_of thesis host-1)/diary")
    [[ "$owner" == "$(berth project show thesis -o json | jq .uid)" ]] ||
        die "the process runs as $owner"
    say "  a process runs in it as user $owner and writes a diary"
}

first_backup() { FIRST=$(berth backup create thesis -o id); }

edit_project() {
    berth project exec thesis --root -- sh -c '
        set -e
        cd corpus
        rm -rf real/usr/share/doc/a*
        mv awkward/sparse awkward/moved-sparse
        printf changed >> awkward/owned
        printf x | dd of=awkward/big bs=1 seek=100000000 conv=notrunc status=none
        chmod 600 awkward/setgid
        mkdir fresh && echo new > fresh/file'
}

second_backup() { SECOND=$(berth backup create thesis -o id); }

compare_move() { # FROM-LIST HOST
    list_tree "$(volume_of thesis "$2")" --skip diary >"$FLEET/after.list"
    same_trees "the project before and after the move" "$1" "$FLEET/after.list"
}

diary_complete() { # HOST: numbers 1..n without a gap
    awk '$1 != NR { exit 1 }' "$(volume_of thesis "$1")/diary" || die "the diary has a gap"
}

move_project() {
    list_tree "$(volume_of thesis host-1)" --skip diary >"$FLEET/before.list"
    local before
    before=$(wc -l <"$(volume_of thesis host-1)/diary")
    berth project move thesis --to host-2 --yes
    [[ "$(berth project show thesis -o json | jq -r .hostName)" == host-2 ]] || die "it did not move"
    # The volume's own times changed as the diary was written.
    sed -i 1d "$FLEET/before.list"
    list_tree "$(volume_of thesis host-2)" --skip diary | sed 1d >"$FLEET/after.list"
    same_trees "the project before and after the move" "$FLEET/before.list" "$FLEET/after.list"
    diary_complete host-2
    wait_for 10 "the process writing on host-2" grew_beyond "$before"
    say "  the diary goes on at host-2 without a gap: $before lines before, $(wc -l <"$(volume_of thesis host-2)/diary") now"
}

grew_beyond() { (($(wc -l <"$(volume_of thesis host-2)/diary") > $1)); }

copy_pending() {
    berth project create pupil --host host-1
    berth project start pupil
    agent_kill host-1
    # Until then its last request for work may still be answered.
    wait_for 60 "host-1 being silent" host_silent host-1
    COPY_OPERATION=$(berth copy create thesis corpus/awkward/links --to pupil:from-thesis --detach)
    wait_for 60 "the copy being pending" has_copy pending
    berth copy list
    sleep 1
    has_copy pending || die "the copy is not pending any more"
    say "  host-1 is down: the copy waits. Now its agent comes back."
    agent_start host-1
    berth operation wait "$COPY_OPERATION" --timeout 60s
    has_copy done || die "the copy is not done"
    [[ -f "$(volume_of pupil host-1)/from-thesis/a1" ]] || die "the copied file is not there"
    berth copy list
}

host_silent() { [[ "$(berth host show "$1" -o json | jq -r .state)" == silent ]]; }

has_copy() { [[ "$(berth copy list -o json | jq -r '.items[0].state')" == "$1" ]]; }

restore_file() {
    local volume
    volume=$(volume_of thesis host-2)
    berth project exec thesis --root -- rm corpus/awkward/acl
    [[ ! -e $volume/corpus/awkward/acl ]] || die "the file is still there"
    berth backup restore thesis --backup "$FIRST" --path corpus/awkward/acl
    list_tree "$volume/corpus/awkward" | grep "^$(hex acl) " >"$FLEET/acl.after"
    list_tree "$FLEET/corpus/awkward" | grep "^$(hex acl) " >"$FLEET/acl.before"
    same_trees "the deleted file and the restored one" "$FLEET/acl.before" "$FLEET/acl.after"
}

restore_whole() {
    berth backup restore thesis --backup "$FIRST" --yes
    list_tree "$(volume_of thesis host-2)/corpus" | sed 1d >"$FLEET/restored.list"
    same_trees "the first backup's state and the restored project" "$FLEET/corpus.inner" "$FLEET/restored.list"
}

judge_with_restic() {
    berth backup export-key thesis --password-file "$FLEET/restic-password" >"$FLEET/restic.env"
    local repository
    repository=$(sed -n "s/^export RESTIC_REPOSITORY=//p" "$FLEET/restic.env" | tr -d "'\"")
    restic --no-cache -r "$repository" --password-file "$FLEET/restic-password" \
        check --no-lock --read-data | tail -n 2
    local snapshot
    snapshot=$(berth backup list thesis -o json | jq -r --arg id "$FIRST" '.items[] | select(.id == $id) | .snapshot')
    restic --no-cache -r "$repository" --password-file "$FLEET/restic-password" \
        restore --no-lock "$snapshot" --target "$FLEET/restic-restore" >/dev/null
    # restic before 0.16 knows no link targets that are not UTF-8: it replaces their bytes. The
    # backup holds them (linktarget_raw), as the restore above has shown.
    local strange
    strange=$(hex awkward/strange-target)
    list_tree "$FLEET/restic-restore/project/corpus" | sed 1d | grep -v "^$strange " >"$FLEET/restic.list"
    grep -v "^$strange " "$FLEET/corpus.inner" >"$FLEET/corpus.restic"
    same_trees "the corpus and what stock restic restores" "$FLEET/corpus.restic" "$FLEET/restic.list"
    rm -rf "$FLEET/restic-restore"
}

kill_hub_in_move() {
    local operation
    operation=$(berth project move thesis --to host-1 --yes --detach)
    # Not in a certain phase: a small move takes a second, and each look at it a tenth.
    wait_for 30 "the move's begin" has_begun "$operation"
    local phase
    phase=$(operation_phase "$operation")
    hub_kill
    say "  the hub is dead, in the middle of the move (${phase:-begun}); it starts again"
    hub_start
    berth operation wait "$operation" --timeout 90s
    [[ "$(berth project show thesis -o json | jq -r .hostName)" == host-1 ]] || die "it did not move"
    diary_complete host-1
}

kill_agent_in_backup() {
    local operation
    berth project exec thesis --root -- sh -c 'head -c 150000000 /dev/urandom > corpus/noise'
    operation=$(berth backup create thesis --detach)
    wait_for 30 "the backup's upload" has_child_running "$operation"
    agent_kill host-1
    say "  the agent is dead, in the middle of the backup; it starts again"
    agent_start host-1
    berth operation wait "$operation" --timeout 90s
    alive_process || die "the project's process did not survive its agent's death"
    say "  the project's own process never stopped"
}

# Whether the host is at it; or was, where it is too fast for being seen at it.
has_child_running() {
    local child
    child=$(berth operation show "$1" -o json | jq -r '.children[0] // empty')
    [[ -n $child ]] && has_begun "$child"
}

alive_process() {
    local before
    before=$(wc -l <"$(volume_of thesis host-1)/diary")
    sleep 0.5
    (($(wc -l <"$(volume_of thesis host-1)/diary") > before))
}

step "hub, two hosts, enrolment" make_fleet
step "a tree of real and awkward files" make_corpus
step "create a project and fill it" create_project
step "start it" start_project
step "first backup" first_backup
step "edit, delete, rename" edit_project
step "second backup" second_backup
step "move it to the other host while it runs" move_project
step "copy a path into a project whose host is down" copy_pending
step "restore a deleted file" restore_file
step "restore a whole earlier backup" restore_whole
step "stock restic checks and restores the repository" judge_with_restic
step "SIGKILL of the hub in the middle of a move" kill_hub_in_move
step "SIGKILL of the agent in the middle of a backup" kill_agent_in_backup
berth status

say ""
say "What was done:"
printf '  %s\n' "${TABLE[@]}"
printf '  %6.1f s  in all\n' "$(echo "$(date +%s.%N) $STARTED" | awk '{print $1 - $2}')"
say ""
say "How to go on: make up starts the same fleet and leaves it running, with commands to try."
