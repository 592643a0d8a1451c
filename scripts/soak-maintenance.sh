#!/usr/bin/env bash
# The long form of the tests of check, prune, repair, the parsers and the format: stock restic asked
# after every single step of a prune that is cut short, hundreds of random trees in both directions,
# a million cases for each parser by fresh seeds, optimised, and agents that are killed in restores at
# many moments.
#
# Environment: BERTH_FUZZ_ROUNDS (1000000), BERTH_TREES (300), BERTH_SOAK_SEEDS (60).
set -euo pipefail
cd "$(dirname "$0")/.."
export BERTH_SOAK=1 BERTH_SOAK_SEEDS="${BERTH_SOAK_SEEDS:-60}"
swift build --build-tests
swift test --skip-build --no-parallel \
    --filter 'RepositoryTests.(PruneTests|PruneBesideBackupsTests|CorruptionMatrixTests|RepairTests|CrashTests|RandomTreeTests)'
swift test --skip-build --no-parallel --filter 'HostAgentTests.*CrashTests'
# Parsers need speed: optimised, with the checks of the language left in.
BERTH_ONLY=Repository,ObjectStore swift test -c release -Xswiftc -enable-testing \
    --scratch-path .build/fuzz --no-parallel --filter '(ParserTests|ListingFuzzTests)'
