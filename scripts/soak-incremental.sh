#!/usr/bin/env bash
# The long form of the equality oracle: histories of a file system by fresh seeds, each step backed
# up incrementally and compared with a whole backup and a slow reference, bit for bit. A history that
# fails is made as short as it goes and told. As root, for loop devices.
#
# Environment: BERTH_ORACLE_STEPS (100000); BERTH_ORACLE_SEED, the first seed, random if not given.
set -euo pipefail
cd "$(dirname "$0")/.."
export BERTH_ORACLE_STEPS=${BERTH_ORACLE_STEPS:-100000}
swift build --build-tests
swift test --skip-build --no-parallel --filter 'HostAgentTests.HostTests/EqualitySoakTests'
