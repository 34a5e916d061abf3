#!/bin/bash
# Installs what is missing and runs every test: the tree's rules, unit, property, container and fleet tests here (cgroup v1 hybrid or v2,
# whichever this machine has), and the container tests once more on pure cgroup v2 in a virtual machine.
#
#   deploy/test.sh [--no-vm] [FILTER]      a filter is a regular expression over test names and runs only what matches
set -euo pipefail
cd "$(dirname "$0")/.."
vm=yes
if [ "${1:-}" = --no-vm ]; then vm=no; shift; fi
deploy/setup.sh test
deploy/check.sh
swift build --build-tests
swift test --skip-build ${1:+--filter "$1"}
if [ $vm = yes ] && [ -z "${1:-}" ] && [ -x deploy/vm/test.sh ]; then deploy/vm/test.sh; fi
