#!/usr/bin/env bash
# The long form of the tests of check, prune, repair and the parsers: stock restic asked after every
# single step of a prune that is cut short, and a million cases for each parser by fresh seeds.
#
# Environment: BERTH_FUZZ_ROUNDS (1000000).
set -euo pipefail
cd "$(dirname "$0")/.."
export BERTH_SOAK=1
swift build --build-tests
swift test --skip-build --no-parallel \
    --filter 'RepositoryTests.(ParserTests|PruneTests|PruneBesideBackupsTests|CorruptionMatrixTests|RepairTests|CrashTests)'
