#!/bin/bash
# Runs the engine's tests with a `sidekick-init` built with address and undefined-behaviour sanitizers, from the test bundle that
# `swift build --build-tests` has made.
#
#   deploy/sanitize.sh [FILTER]      a regular expression over test names; all of EngineTests without one
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -g -O1 -D_GNU_SOURCE -std=c17 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -static-libasan -static-libubsan \
  -ISources/LinuxShims/include -o "$work/sidekick-init" Sources/ContainerInit/*.c
SIDEKICK_INIT=$work/sidekick-init .build/debug/sidekickPackageTests.xctest --testing-library swift-testing --filter "${1:-EngineTests}"
