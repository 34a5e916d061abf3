#!/bin/bash
# Measures scaling on real containers with `sidekick standalone`: a step from nothing to 3,000 requests/s, load that swings, and the first
# request to a service at zero with a prepared and with a frozen standby. Every request is counted; none may fail.
#
#   deploy/bench/scale.sh [--json] [--rate N] [--runs N] [--cold N] [--build DIRECTORY]
#
# --rate is the step's height (3000), --runs how often the step is repeated (3), --cold how many first requests are measured (15 of each rung),
# --build names where a release build of sidekick and sidekick-init is (default: build one).
#
# The service is deploy/examples/hello, waiting 10 ms for each of at most 8 requests at once: 800 requests/s for each replica at the most, so
# that the step needs four at least. It waits and does not compute, since client, gateway and replicas share this machine's cores.
set -euo pipefail
cd "$(dirname "$0")/../.."
json=no rate=3000 runs=3 cold=15 build=
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=yes ;;
    --rate) rate=$2; shift ;;
    --runs) runs=$2; shift ;;
    --cold) cold=$2; shift ;;
    --build) build=$2; shift ;;
    *) echo "scale.sh: unknown option $1; see its first lines" >&2; exit 2 ;;
  esac
  shift
done
[ "$(id -u)" = 0 ] || { echo "scale.sh: needs root, to make containers" >&2; exit 1; }
for tool in jq cc; do command -v $tool > /dev/null || { echo "scale.sh: $tool is missing: run deploy/setup.sh bench" >&2; exit 1; }; done
say() { echo "$@" >&2; }
if [ -z "$build" ]; then
  say "building a release of sidekick"
  for product in sidekick sidekick-init; do swift build -c release --product $product >&2; done
  build=$(swift build -c release --show-bin-path)
fi
sidekick=$build/sidekick
ulimit -n 20000 2> /dev/null || true

home=$(mktemp -d /tmp/sk-scale.XXXXXX)
name=sc$((RANDOM % 10000))
export SIDEKICK_SOCKET=$home/run/control.sock
standalone=
cleanup() {
  local code=$?
  trap - EXIT INT TERM
  [ -n "$standalone" ] && kill "$standalone" 2> /dev/null && wait "$standalone" 2> /dev/null
  deploy/leftovers.sh "$name" "$home" >&2 || code=1
  if [ "$code" = 0 ]; then rm -rf "$home"; else say "scale.sh: failed; logs are in $home"; fi
  exit "$code"
}
trap cleanup EXIT INT TERM

deploy/examples/build-images.sh "$home/images"
port=$((20000 + RANDOM % 10000))
mkfifo "$home/ready"
"$sidekick" standalone --data "$home/data" --run "$home/run" --listen "127.0.0.1:$port" --agents "127.0.0.1:$((port + 1))" \
  --name "$name" --subnet "10.$((64 + RANDOM % 60)).0.0/24" > "$home/ready" 2> "$home/standalone.log" &
standalone=$!
exec 9< "$home/ready"
read -r _ <&9 || { cat "$home/standalone.log" >&2; exit 1; }
"$sidekick" image import "$home/images/hello-1.tar" > /dev/null
url=http://127.0.0.1:$port/

apply() { # apply RUNG: the service, with its standbys kept at that rung
  cat > "$home/hello.yaml" << EOF
service: hello
image: hello:1
ports: { http: 8080 }
ingress: [{ host: "*", path: / }]
env: { SERVICE_MS: "10", CONCURRENCY: "8" }
resources: { memory: 32MiB, pids: 32 }
replicas: { min: 0, max: 16, standby: auto, rung: $1 }
scale: { concurrency: 8, wait: 100ms, holdDeadline: 10s, idle: 2s }
health:
  startup: { http: /healthz, every: 10ms, timeout: 1s }
  startTimeout: 3s
rollout: { maxSurge: 2, maxUnavailable: 0, bake: 1s, deadline: 15s, failures: 2, onFailure: rollback }
stop: { signal: TERM, drain: 10s, grace: 5s }
EOF
  "$sidekick" apply -f "$home/hello.yaml" --wait --timeout 60s > /dev/null
  "$sidekick" wait hello --for zero --timeout 60s > /dev/null
}

results=$home/results
result() { # result NAME UNIT BUDGET VALUES...: the median of the values; BUDGET null for none
  local name=$1 unit=$2 budget=$3
  shift 3
  printf '%s\n' "$@" | jq -cs --arg name "$name" --arg unit "$unit" --argjson budget "$budget" '
    sort as $all | ($all | length) as $n
    | (if $n % 2 == 1 then $all[$n / 2 | floor] else ($all[$n / 2 - 1] + $all[$n / 2]) / 2 end) as $median
    | {name: $name, unit: $unit, ours: ($median * 1000 | round / 1000), peer: null, theirs: null, ratio: null,
       spread: [$all[0], $all[-1]] | map(. * 1000 | round / 1000), runs: $n, budget: $budget,
       met: (if $budget == null then null else $median <= $budget end)}' >> "$results"
  say "$(tail -1 "$results" | jq -r '"\(.name): \(.ours) \(.unit), \(.spread[0]) to \(.spread[1])"')"
}
load() { # load PHASES...: into load.json; failed requests are counted there
  "$sidekick" load run --url "$url" --service hello --ledger "$home/ledger.jsonl" -o json "$@" > "$home/load.json" 2>> "$home/load.log" || true
  [ -s "$home/load.json" ] || { say "scale.sh: the load did not run:"; tail -3 "$home/load.log" >&2; exit 1; }
}

say "step: 0 to $rate requests/s, $runs times"
apply prepared
failed=() first=() p99=() steady=() peak=()
for _ in $(seq "$runs"); do
  "$sidekick" wait hello --for zero --timeout 60s > /dev/null
  load --phase "step:$rate:3s" --phase "steady:$rate:7s"
  failed+=("$(jq '.total.failed' "$home/load.json")")
  first+=("$(jq '.phases[0].latency.p99' "$home/load.json")")
  p99+=("$(jq '.phases[0].latency.p50' "$home/load.json")")
  steady+=("$(jq '.phases[1].latency.p99' "$home/load.json")")
  peak+=("$("$sidekick" explain hello --last 50 -o json | jq '[.[].onlineAfter] | max')")
done
result "step-to-$rate-failed" requests 0 "$(printf '%s\n' "${failed[@]}" | sort -n | tail -1)"
result "step-to-$rate-first-3s-p50" ms null "${p99[@]}"
result "step-to-$rate-first-3s-p99" ms null "${first[@]}"
result "step-to-$rate-after-3s-p99" ms null "${steady[@]}"
result "step-to-$rate-most-online" replicas null "${peak[@]}"

say "swinging: 50 and $((rate / 2)) requests/s, five seconds each"
phases=()
for round in 1 2 3 4; do phases+=(--phase "high$round:$((rate / 2)):5s" --phase "low$round:50:5s"); done
load "${phases[@]}"
result swinging-failed requests 0 "$(jq '.total.failed' "$home/load.json")"
result swinging-p99 ms null "$(jq '.total.latency.p99' "$home/load.json")"

say "first request at zero, prepared standby, beside the program's own start"
"$sidekick" load cold --count "$cold" --service hello --url "$url" --own-start "$home/images/hello" -o json > "$home/cold.json"
mapfile -t values < <(jq '[.first, .own] | transpose[] | .[0] - .[1]' "$home/cold.json")
result first-request-prepared-added ms 5 "${values[@]}"
mapfile -t values < <(jq '.first[] - 10' "$home/cold.json")
result first-request-prepared-less-service-time ms null "${values[@]}"

say "first request at zero, frozen standby; the 10 ms of the service itself are taken off"
"$sidekick" delete hello --wait --timeout 60s > /dev/null
apply frozen
"$sidekick" load cold --count "$cold" --service hello --url "$url" -o json > "$home/cold.json"
mapfile -t values < <(jq '.first[] - 10' "$home/cold.json")
result first-request-frozen ms 5 "${values[@]}"
"$sidekick" delete hello --wait --timeout 60s > /dev/null

if [ $json = yes ]; then
  jq -cs --arg cpu "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)" --argjson cores "$(nproc)" --arg kernel "$(uname -r)" \
    '{benchmark: "scale", machine: {cpu: $cpu, cores: $cores, kernel: $kernel}, results: .}' "$results"
else
  jq -r '[.name, (.ours | tostring), .unit, "budget", (.budget // "-" | tostring),
    (if .met == null then "" elif .met then "met" else "NOT MET" end)] | @tsv' "$results" | column -t -s "$(printf '\t')"
fi
