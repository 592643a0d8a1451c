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
        find Tests -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | grep -v '^EndToEndTests$' | sort
    )
    targets+=(EndToEndTests)
fi

swift build --build-tests || exit 1

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=()
for target in "${targets[@]}"; do
    echo "== $target"
    if swift test --skip-build --filter "^$target\." >"$log" 2>&1; then
        grep -E '^(✔|✘) Test run with|^.*Test run with' "$log" | tail -n 1
    else
        cat "$log"
        failed+=("$target")
    fi
    count=$(sed -n 's/.*Test run with \([0-9]*\) tests\{0,1\}.*/\1/p' "$log" | tail -n 1)
    if [[ -z $count || $count == 0 ]]; then
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
