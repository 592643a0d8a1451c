#!/usr/bin/env bash
# The long form of the tests of check, prune, repair and the parsers: stock restic asked after every
# single step of a prune that is cut short, and a million cases for each parser by fresh seeds; agents
# that are killed in restores, at many moments.
#
# Environment: BERTH_FUZZ_ROUNDS (1000000), BERTH_SOAK_SEEDS (60).
set -euo pipefail
cd "$(dirname "$0")/.."
export BERTH_SOAK=1 BERTH_SOAK_SEEDS="${BERTH_SOAK_SEEDS:-60}"
swift build --build-tests
swift test --skip-build --no-parallel \
    --filter 'RepositoryTests.(ParserTests|PruneTests|PruneBesideBackupsTests|CorruptionMatrixTests|RepairTests|CrashTests)'
swift test --skip-build --no-parallel --filter 'HostAgentTests.*CrashTests'
