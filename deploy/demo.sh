#!/bin/bash
# Shows Sidekick's main job on this machine, in a directory of its own, and leaves nothing behind: a real service scales from zero under
# real load, is patched with no failed request, rolls back a broken patch by itself, and returns to zero.
#
#   deploy/demo.sh [--quick]      --quick repeats the first request at zero 5 times instead of 20
#
# Exit code 0 only if every request of every phase was answered and every phase ended as it should.
set -euo pipefail
cd "$(dirname "$0")/.."
repetitions=20
[ "${1:-}" = --quick ] && repetitions=5
[ "$(id -u)" = 0 ] || { echo "demo.sh: needs root, to make containers" >&2; exit 1; }
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

say "Set-up: what is missing is installed, Sidekick is built (the first time takes some minutes)"
deploy/setup.sh build
swift build -c release ${SWIFT_BUILD_OPTIONS:-} --product sidekick 2>&1 | tail -1
swift build -c release ${SWIFT_BUILD_OPTIONS:-} --product sidekick-init 2>&1 | tail -1
bin=$(swift build -c release ${SWIFT_BUILD_OPTIONS:-} --show-bin-path)
sidekick=$bin/sidekick

home=$(mktemp -d /tmp/sk-demo.XXXXXX)
name=demo
export SIDEKICK_SOCKET=$home/run/control.sock
failures=()
standalone=
cleanup() {
  local code=$?
  trap - EXIT INT TERM
  [ -n "$standalone" ] && kill "$standalone" 2>/dev/null && wait "$standalone" 2>/dev/null
  deploy/leftovers.sh "$name" "$home" || code=1
  [ "$code" = 0 ] && rm -rf "$home" || echo "demo.sh: failed; logs are in $home" >&2
  exit "$code"
}
trap cleanup EXIT INT TERM

say "Images: versions 1, 2 and a broken 3 of an example service (deploy/examples/hello: a real HTTP server, 20 ms a request, 4 at once)"
deploy/examples/build-images.sh "$home/images"

say "Starting sidekick standalone in $home"
port=$((20000 + RANDOM % 10000))
mkfifo "$home/ready"
"$sidekick" standalone --data "$home/data" --run "$home/run" --listen "127.0.0.1:$port" --agents "127.0.0.1:$((port + 1))" \
  --name "$name" --subnet 10.213.0.0/24 > "$home/ready" 2> "$home/standalone.log" &
standalone=$!
exec 9< "$home/ready"
read -r line <&9 || { cat "$home/standalone.log" >&2; exit 1; }
echo "$line"
for version in 1 2 3-broken; do "$sidekick" image import "$home/images/hello-$version.tar" > /dev/null; done
"$sidekick" image list
"$sidekick" apply -f deploy/examples/hello.yaml --wait
url=http://127.0.0.1:$port/

say "First request to the service at zero with a prepared standby, $repetitions times, beside the program's own start on this host"
"$sidekick" load cold --count "$repetitions" --service hello --url "$url" --own-start "$home/images/hello" --budget 10ms || failures+=("first request")

say "Load rises from nothing to four times one replica's capacity; then a patch; then a broken patch; then it falls to nothing"
"$sidekick" load run --url "$url" --service hello --ledger "$home/ledger.jsonl" \
  --phase rise:0-800:15s --phase steady:800:5s --phase patch:800:25s --phase broken:800:30s --phase fall:800-0:10s \
  --during "patch=$sidekick rollout start hello --image hello:2 --wait --timeout 24s" \
  --during "broken=! $sidekick rollout start hello --image hello:3 --wait --timeout 29s" || failures+=("load")
"$sidekick" rollout history hello
phase=$("$sidekick" rollout history hello -o json | grep -o '"phase" : "[a-zA-Z]*"' | head -1)
[ "$phase" = '"phase" : "rolledBack"' ] || failures+=("the broken version 3 was not rolled back: $phase")

say "Back to zero"
"$sidekick" wait hello --for zero --timeout 60s || failures+=("return to zero")
"$sidekick" explain hello --last 12
echo
echo "Desired state, read from SQLite:  sqlite3 STATE 'select name, desired_online, desired_standby from services'"
sqlite3 -header -column "$home/data/controller/state.db" 'select name, desired_online, desired_standby from services'

"$sidekick" delete hello --wait --timeout 60s
if [ ${#failures[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failures[@]}"
  exit 1
fi
say "Every request of every phase was answered; stopping and checking that nothing is left"
