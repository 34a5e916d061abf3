#!/bin/bash
# The rules of the source tree that a compiler does not check: formatting, and who may import whom (DESIGN section 2).
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
complain() { echo "check: $1" >&2; failed=1; }

swift format lint --strict --recursive --parallel $(find Sources Tests Package.swift -name '*.swift' ! -name '*.pb.swift') || complain "run: swift format -i FILE"

# Pure modules import nothing but each other.
for module in SidekickModel Orchestration HTTPFraming; do
  strangers=$(grep -rhoE '^ *((package|public|internal|private|fileprivate) )?import +[A-Za-z0-9_]+' "Sources/$module" | awk '{ print $NF }' | sort -u | grep -vxE 'SidekickModel|Orchestration' || true)
  [ -z "$strangers" ] || complain "Sources/$module is pure but imports: $strangers"
  ! grep -rnE '\b(Date\(\)|UUID\(\)|ContinuousClock|SystemRandomNumberGenerator|\.random\(|\basync\b)' "Sources/$module" || complain "Sources/$module is pure: no clock, randomness or async"
done
only() { # only MODULE PATTERN WHAT
  local strangers
  strangers=$(grep -rlE "^ *((package|public|internal|private|fileprivate) )?import +$2\$" Sources | grep -v "^Sources/$1/" || true)
  [ -z "$strangers" ] || complain "only $1 may import $2, but: $strangers"
}
only ControllerStore GRDB
only AgentProtocol SwiftProtobuf
for module in ContainerCore ImageStore; do
  ! grep -rnE '^ *(package )?import +(SidekickModel|Orchestration)$' "Sources/$module" || complain "Sources/$module knows no cluster"
done
for forbidden in 'try!' 'TODO' 'FIXME' 'waitpid(-1'; do
  ! grep -rnF "$forbidden" Sources || complain "found $forbidden"
done
[ $failed = 0 ] && echo "check: formatting and module rules hold"
exit $failed
