#!/bin/bash
# What a change must pass before anybody looks at it: format and style, the layering of the
# modules, and a build with every warning an error. The tests themselves are `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

swift format lint --strict --parallel --recursive Package.swift Sources Tests
echo "check: format and style are fine"

# BERTH_ONLY narrows the package, so that the source checks run before the long build.
BERTH_ONLY=Layering swift test --scratch-path .build/layering
echo "check: the layering holds"

swift build --build-tests
echo "check: everything builds without a warning"
