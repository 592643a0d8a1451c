#!/bin/bash
# Runs every test, each target in a process of its own, because tests of one process share two
# threads, and hundreds of them at once starve each other's clocks.
#
# usage: test.sh [TARGET...]    default: all test targets, the end-to-end tests last
set -uo pipefail
cd "$(dirname "$0")/.."

# Tests of the hub have leases of seconds, and the machine to themselves. Those of the host mostly
# wait for disks: the others run beside them.
alone=(HubTests)
waiting=(HostAgentTests)
if (($#)); then
    alone=()
    waiting=()
    targets=("$@")
    last=()
else
    mapfile -t targets < <(
        find Tests -mindepth 1 -maxdepth 1 -type d -name '*Tests' -printf '%f\n' \
            | grep -vxF -e EndToEndTests "${alone[@]/#/-e}" "${waiting[@]/#/-e}" | sort
    )
    # Fleets of real processes are the heaviest; the demo has time limits of its own, and so the
    # machine to itself.
    last=(EndToEndTests EndToEndTests.DemoTests)
fi

swift build --build-tests || exit 1

# What a test leaves, and what only the end of its process lets go, goes with this directory. Other
# users walk through it.
TMPDIR=$(mktemp -d /tmp/berth-tests-XXXXXX)
export TMPDIR
chmod 1777 "$TMPDIR"
children=()
finish() {
    local code=$?
    trap - EXIT INT TERM
    ((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null
    wait
    rm -rf --one-file-system "$TMPDIR"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# No target takes a quarter of this on two cores: what still runs then, hangs.
limit_seconds=1200

# Names the tests of the log that began and did not end.
unfinished() {
    comm -23 \
        <(sed -n 's/^◇ Test \(".*"\) started\.$/\1/p' "$1" | sort -u) \
        <(sed -n 's/^[✔✘] Test \(".*"\).* \(passed\|failed\) after .*/\1/p' "$1" | sort -u)
}

# Runs one target; its outcome is in `$TMPDIR/outcome-TARGET`: the number of tests, or "failed".
run() {
    local target=$1 log=$TMPDIR/log-$1 options count child status
    # More fleets at once take no less time in all, but each so long that its own time limit ends it.
    options=(--filter "^$target[./]")
    [[ $target != EndToEndTests ]] ||
        options+=(--skip '^EndToEndTests.DemoTests/' --experimental-maximum-parallelization-width 4)
    # All at once starve each other until their time limits end them.
    [[ $target != HubTests ]] || options+=(--experimental-maximum-parallelization-width 6)
    timeout --kill-after=10 "$limit_seconds" \
        swift test --skip-build "${options[@]}" >"$log" 2>&1 &
    child=$!
    trap 'kill "$child" 2>/dev/null; exit 130' TERM
    wait "$child"
    status=$?
    count=$(sed -n 's/.*Test run with \([0-9]*\) tests\{0,1\}.*/\1/p' "$log" | tail -n 1)
    {
        echo "== $target"
        if ((status == 0)); then
            grep 'Test run with' "$log" | tail -n 1
        else
            cat "$log"
        fi
        if ((status == 124 || status == 137)); then
            echo "error: $target did not end within $limit_seconds s; still running were:"
            unfinished "$log" | sed 's/^/    /'
        fi
        if ((status == 0)) && [[ -z $count || $count == 0 ]]; then
            echo "error: $target ran no test"
            status=1
        fi
    } >"$log-told"
    cat "$log-told"
    ((status == 0)) && echo "$count" >"$TMPDIR/outcome-$target" || echo failed >"$TMPDIR/outcome-$target"
}

runs() {
    local target
    for target in "$@"; do run "$target"; done
}

# Runs targets in the background, where a signal reaches them.
begin() {
    runs "$@" &
    children+=($!)
}

failed=()
if ((!$#)); then
    echo "== simulator (built for release)"
    scripts/simulate.sh 1000000 2000 || failed+=(simulator)
fi
begin "${alone[@]}"
wait "${children[@]}"
children=()
begin "${waiting[@]}"
begin "${targets[@]}"
wait "${children[@]}"
children=()
begin "${last[@]}"
wait "${children[@]}"
children=()

passed=0
for target in "${alone[@]}" "${waiting[@]}" "${targets[@]}" "${last[@]}"; do
    outcome=$(cat "$TMPDIR/outcome-$target" 2>/dev/null || echo failed)
    if [[ $outcome == failed ]]; then failed+=("$target"); else passed=$((passed + outcome)); fi
done
if ((${#failed[@]})); then
    echo "failed: ${failed[*]}"
    exit 1
fi
echo "$passed passed, 0 failed"
