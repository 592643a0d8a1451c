#!/bin/bash
# Runs every test, one target after another: each in a process of its own, because tests of one
# process share two threads, and hundreds of them at once starve each other's clocks.
#
# usage: test.sh [TARGET...]    default: all test targets, the end-to-end tests last
set -uo pipefail
cd "$(dirname "$0")/.."

if (($#)); then
    targets=("$@")
else
    mapfile -t targets < <(
        find Tests -mindepth 1 -maxdepth 1 -type d -name '*Tests' -printf '%f\n' | grep -v '^EndToEndTests$' | sort
    )
    # The demo has time limits of its own, and so the machine to itself.
    targets+=(EndToEndTests EndToEndTests.DemoTests)
fi

swift build --build-tests || exit 1

# What a test leaves, and what only the end of its process lets go, goes with this directory. Other
# users walk through it.
TMPDIR=$(mktemp -d /tmp/berth-tests-XXXXXX)
export TMPDIR
chmod 1777 "$TMPDIR"
log=$TMPDIR/log
trap 'rm -rf --one-file-system "$TMPDIR"' EXIT
child=
trap '[[ -z $child ]] || kill "$child"; exit 130' INT TERM

# No target takes a quarter of this on two cores: what still runs then, hangs.
limit_seconds=1200

# Names the tests of the log that began and did not end.
unfinished() {
    comm -23 \
        <(sed -n 's/^◇ Test \(".*"\) started\.$/\1/p' "$1" | sort -u) \
        <(sed -n 's/^[✔✘] Test \(".*"\).* \(passed\|failed\) after .*/\1/p' "$1" | sort -u)
}

passed=0
failed=()
if ((!$#)); then
    echo "== simulator (built for release)"
    scripts/simulate.sh 1000000 2000 || failed+=(simulator)
fi
for target in "${targets[@]}"; do
    echo "== $target"
    # Fleets of real processes are the heaviest. More at once take no less time in all, but each so
    # long that its own time limit ends it.
    options=(--filter "^$target[./]")
    [[ $target != EndToEndTests ]] ||
        options+=(--skip '^EndToEndTests.DemoTests/' --experimental-maximum-parallelization-width 4)
    # All at once starve each other until their time limits end them.
    [[ $target != HubTests ]] || options+=(--experimental-maximum-parallelization-width 6)
    timeout --kill-after=10 "$limit_seconds" \
        swift test --skip-build "${options[@]}" >"$log" 2>&1 &
    child=$!
    wait "$child"
    status=$?
    child=
    if ((status == 0)); then
        grep 'Test run with' "$log" | tail -n 1
    else
        cat "$log"
        failed+=("$target")
    fi
    if ((status == 124 || status == 137)); then
        echo "error: $target did not end within $limit_seconds s; still running were:" >&2
        unfinished "$log" | sed 's/^/    /' >&2
    fi
    count=$(sed -n 's/.*Test run with \([0-9]*\) tests\{0,1\}.*/\1/p' "$log" | tail -n 1)
    if ((status == 0)) && [[ -z $count || $count == 0 ]]; then
        echo "error: $target ran no test" >&2
        failed+=("$target")
    fi
    passed=$((passed + ${count:-0}))
done
if ((${#failed[@]})); then
    echo "failed: ${failed[*]}"
    exit 1
fi
echo "$passed passed, 0 failed"
