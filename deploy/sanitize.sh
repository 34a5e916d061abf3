#!/bin/bash
# Runs the engine's tests with a `sidekick-init` built with address and undefined-behaviour sanitizers, from the test bundle that
# `swift build --build-tests` has made. What a sanitizer finds ends the process that did it, which fails a test, and is printed here.
#
#   deploy/sanitize.sh [FILTER]      a regular expression over test names; those that drive every part of it without one
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Its processes have no environment and no output. Leaks are left: the first process of a container is replaced by an exec.
printf 'const char *__asan_default_options(void) { return "detect_leaks=0:log_path=%s/report"; }\n' "$work" > "$work/options.c"
printf 'const char *__ubsan_default_options(void) { return "print_stacktrace=1:log_path=%s/report"; }\n' "$work" >> "$work/options.c"
cc -g -O1 -D_GNU_SOURCE -std=c17 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -static-libasan -static-libubsan \
  -ISources/LinuxShims/include -o "$work/sidekick-init" Sources/ContainerInit/*.c "$work/options.c"
bundle=${BUNDLE:-.build/debug/sidekickPackageTests.xctest}
code=0
SIDEKICK_INIT=$work/sidekick-init SIDEKICK_SANITIZED=1 "$bundle" --testing-library swift-testing --no-parallel \
  --filter "${1:-EngineTests/(States|Isolation|Terminals|Escapes|Recovery|Holding)}" || code=$?
for report in "$work"/report.*; do
  [ -e "$report" ] || continue
  cat "$report" >&2
  code=1
done
exit $code
