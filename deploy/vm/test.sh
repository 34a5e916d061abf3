#!/bin/bash
# Runs the container tests of the test bundle that `swift build --build-tests` has made, on a kernel with pure cgroup v2, in a virtual
# machine of our own (see run.sh beside this).
#
#   deploy/vm/test.sh [FILTER]      a regular expression over test names; without one, those of ContainerTests and RuntimeTests that need a kernel
set -euo pipefail
cd "$(dirname "$0")/../.."
bundle=$(realpath .build/debug/sidekickPackageTests.xctest 2>/dev/null) && [ -x "$bundle" ] ||
  { echo "vm/test.sh: no test bundle at .build/debug; run: swift build --build-tests" >&2; exit 2; }
directory=$(dirname "$bundle")
files=(--with "$bundle")
for program in sidekick-init sidekick; do [ -e "$directory/$program" ] && files+=(--with "$directory/$program"); done
exec deploy/vm/run.sh --memory 3072 --time 1200 "${files[@]}" -- \
  "$bundle" --testing-library swift-testing --no-parallel --filter "${1:-ContainerTests.(EngineTests|CgroupDriverTests|ContainerNetworkTests)|RuntimeTests.BundleTests}"
