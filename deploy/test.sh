#!/bin/bash
# Installs what is missing and runs every test: the tree's rules; the tests of pure code; then one by one, because they measure time and
# count what they leave, the tests with real sockets, files, processes and containers on this machine's cgroups; the engine's with a
# `sidekick-init` that sanitizers watch; and the container
# tests once more on pure cgroup v2 in a virtual machine.
#
#   deploy/test.sh [--no-vm] [FILTER]      a filter is a regular expression over test names and runs only what matches
set -euo pipefail
cd "$(dirname "$0")/.."
vm=yes
if [ "${1:-}" = --no-vm ]; then vm=no; shift; fi
deploy/setup.sh test
deploy/check.sh
swift build --build-tests
if [ -n "${1:-}" ]; then
  exec swift test --skip-build --no-parallel --filter "$1"
fi
pure='SidekickModelTests|OrchestrationTests|HTTPFramingTests|AgentProtocolTests'
swift test --skip-build --filter "$pure"
swift test --skip-build --no-parallel --skip "$pure"
deploy/sanitize.sh
if [ $vm = yes ]; then deploy/vm/test.sh; fi
