#!/bin/bash
# Measures Sidekick's gateway beside HAProxy (and nginx and Caddy, where they are installed): each as a reverse proxy with kept connections to the same
# backend, one proxy thread on one core, runs alternating. The client and the backend share the other core, so the figure of throughput is
# requests per second of the proxy's own processor time, which no slow client can spoil.
#
#   deploy/bench/gateway.sh [--json] [--runs N] [--seconds N] [--rate N] [--build DIRECTORY] [CASE...]
#
# --build names where a release build of sidekick is (default: build one). A CASE is a pattern of names of results: only those are measured.
# HTTP/2 comes over TLS from h2load, and goes to the same backend in HTTP/1.1. New TLS connections are full handshakes, with a P-256 certificate. Latency is measured at a fixed open-loop rate by `sidekick load`.
set -euo pipefail
cd "$(dirname "$0")/../.."
json=no runs=5 seconds=4 rate=4000 build= cases=()
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=yes ;;
    --runs) runs=$2; shift ;;
    --seconds) seconds=$2; shift ;;
    --rate) rate=$2; shift ;;
    --build) build=$2; shift ;;
    -*) echo "gateway.sh: unknown option $1; see its first lines" >&2; exit 2 ;;
    *) cases+=("$1") ;;
  esac
  shift
done
for tool in haproxy wrk h2load jq protoc taskset openssl python3; do
  command -v $tool > /dev/null || { echo "gateway.sh: $tool is missing: run deploy/setup.sh bench" >&2; exit 1; }
done
[ "$(nproc)" -ge 2 ] || { echo "gateway.sh: needs two cores, one for the proxy alone" >&2; exit 1; }
say() { echo "$@" >&2; }
if [ -z "$build" ]; then
  say "building a release of sidekick"
  swift build -c release --product sidekick >&2
  build=$(swift build -c release --show-bin-path)
fi

ulimit -n 20000 2> /dev/null || true
home=$(mktemp -d /tmp/sk-bench.XXXXXX)
started=()
cleanup() {
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2> /dev/null || true; done
  rm -rf "$home"
}
trap cleanup EXIT
base=$((20000 + RANDOM % 20000))
backend=$base
declare -A port=([ours]=$((base + 1)) [haproxy]=$((base + 2)) [nginx]=$((base + 3)) [caddy]=$((base + 4)))
declare -A tls=([ours]=$((base + 5)) [haproxy]=$((base + 6)) [nginx]=$((base + 7)) [caddy]=$((base + 8)))
declare -A pid

start() { # start NAME CORE COMMAND...: in the background, pinned
  local name=$1 core=$2
  shift 2
  taskset -c "$core" "$@" > "$home/$name.log" 2>&1 &
  pid[$name]=$!
  started+=($!)
}
await() { # await NAME PORT PATH
  for _ in $(seq 100); do
    curl -fs -o /dev/null "http://127.0.0.1:$2/$3" && return
    sleep 0.05
  done
  say "gateway.sh: $1 does not answer on port $2:"
  cat "$home/$1.log" >&2
  exit 1
}

mkdir "$home/certificates"
certificate=$home/certificates/bench.crt key=$home/certificates/bench.key
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$key" -out "$certificate" -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost 2> /dev/null
cat "$certificate" "$key" > "$home/bench.pem"

# The backend answers from memory: 50 bytes or 10 KB.
head -c 50 /dev/zero | tr '\0' x > "$home/small"
head -c 10240 /dev/zero | tr '\0' x > "$home/large"
cat > "$home/backend.cfg" << END
global
  nbthread 1
  maxconn 5000
  log stderr local0 emerg
defaults
  mode http
  timeout client 60s
  timeout http-keep-alive 60s
frontend backend
  bind 127.0.0.1:$backend
  http-request return status 200 content-type text/plain file $home/large if { path /large }
  http-request return status 200 content-type text/plain file $home/small
END
start backend 1 haproxy -db -f "$home/backend.cfg"
await backend "$backend" small

cat > "$home/haproxy.cfg" << END
global
  nbthread 1
  maxconn 5000
  log stderr local0 emerg
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 2s
  timeout http-keep-alive 60s
  option forwardfor
  http-reuse always
frontend proxy
  bind 127.0.0.1:${port[haproxy]}
  bind 127.0.0.1:${tls[haproxy]} ssl crt $home/bench.pem ssl-min-ver TLSv1.2 alpn h2,http/1.1
  default_backend servers
backend servers
  server one 127.0.0.1:$backend
END
start haproxy 0 haproxy -db -f "$home/haproxy.cfg"
await haproxy "${port[haproxy]}" small
peers=(haproxy)
if command -v nginx > /dev/null; then
  cat > "$home/nginx.conf" << END
daemon off;
master_process off;
worker_processes 1;
pid $home/nginx.pid;
error_log stderr crit;
events { worker_connections 8000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  upstream servers { server 127.0.0.1:$backend; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port[nginx]};
    listen 127.0.0.1:${tls[nginx]} ssl http2;
    ssl_certificate $certificate;
    ssl_certificate_key $key;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For \$remote_addr;
    }
  }
}
END
  start nginx 0 nginx -p "$home" -c "$home/nginx.conf"
  await nginx "${port[nginx]}" small
  peers+=(nginx)
fi
if command -v caddy > /dev/null; then
  cat > "$home/Caddyfile" << END
{
  admin off
  auto_https off
  servers {
    protocols h1
  }
}
http://:${port[caddy]} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:$backend
}
https://:${tls[caddy]} {
  bind 127.0.0.1
  tls $certificate $key
  reverse_proxy 127.0.0.1:$backend
}
END
  GOMAXPROCS=1 HOME=$home start caddy 0 caddy run --adapter caddyfile --config "$home/Caddyfile"
  await caddy "${port[caddy]}" small
  peers+=(caddy)
fi

# The gateway serves from the routing table it keeps on disk, as it does when its agent is away: one frame of the agent's protocol.
mkdir -p "$home/gateway" "$home/run"
protoc --proto_path=Sources/AgentProtocol/Protos --encode=sidekick.wire.GatewayServices gateway.proto > "$home/routes.message" << END
services {
  route { service: "bench" generation: 1 ingress { host: "*" path: "/" } hold_deadline_ms: 5000 hold_limit: 1000 max_online: 1 revision: 1 }
  endpoints { replica: 1 revision: 1 address: "127.0.0.1:$backend" }
}
END
{
  printf 'S\001\004\001'
  printf "$(printf '\\x%02x' $(stat -c %s "$home/routes.message" | awk '{ for (i = 3; i >= 0; i--) printf "%d ", int($1 / 256 ^ i) % 256 }'))"
  cat "$home/routes.message"
} > "$home/gateway/routes"
start ours 0 "$build/sidekick" gateway --listen "127.0.0.1:${port[ours]}" --tls-listen "127.0.0.1:${tls[ours]}" --certificates "$home/certificates" --data "$home/gateway" --run "$home/run" --threads 1
await ours "${port[ours]}" small

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/${pid[$1]}/stat"; }
hertz=$(getconf CLK_TCK)
# requests NAME SCHEME PATH WRK-OPTIONS...: requests per second of the proxy's processor time
requests() {
  local name=$1 url=$2 before after output
  case $url in
    http) url=http://127.0.0.1:${port[$name]}/$3 ;;
    https) url=https://127.0.0.1:${tls[$name]}/$3 ;;
  esac
  shift 3
  before=$(ticks "$name")
  output=$(taskset -c 1 wrk -t1 -d"${seconds}s" "$@" "$url")
  after=$(ticks "$name")
  if grep -qE 'Non-2xx|Socket errors' <<< "$output"; then say "$name: $(grep -E 'Non-2xx|Socket errors' <<< "$output")"; fi
  awk -v ticks=$((after - before)) -v hertz="$hertz" '/requests in/ { printf "%.0f\n", $1 * hertz / ticks }' <<< "$output"
}
# h2requests NAME PATH CONNECTIONS STREAMS: the same in HTTP/2 over TLS, so many streams at once on each connection
h2requests() {
  local name=$1 before after output
  before=$(ticks "$name")
  output=$(taskset -c 1 h2load -D "$seconds" -c "$3" -m "$4" "https://127.0.0.1:${tls[$name]}/$2")
  after=$(ticks "$name")
  if ! grep -q 'Application protocol: h2' <<< "$output"; then
    say "$name does not speak h2 here"
    [ "$name" != ours ] || exit 1
    echo 0
    return
  fi
  grep -q ' 0 failed, 0 errored, 0 timeout' <<< "$output" || say "$name: $(grep '^requests:' <<< "$output")"
  awk -v ticks=$((after - before)) -v hertz="$hertz" '/^requests:/ { printf "%.0f\n", $8 * hertz / ticks }' <<< "$output"
}
latency() { # latency NAME: p99 in ms at the fixed rate
  taskset -c 1 "$build/sidekick" load run --url "http://127.0.0.1:${port[$1]}/small" --phase "warm:$rate:1s" --phase "measured:$rate:${seconds}s" \
    -o json > "$home/load.json" || say "$1: $(jq -c .total.failuresByKind "$home/load.json")"
  jq '.phases[1].latency.p99' "$home/load.json"
}
memory() { # memory NAME http|https: resident MB with 1,000 idle connections that have each carried a request
  local at=${port[$1]}
  [ "$2" = http ] || at=${tls[$1]}
  python3 - "$2" "$at" "${pid[$1]}" << 'END'
import re, socket, ssl, sys, time
scheme, port, pid = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
connections = []
for _ in range(1000):
    connection = socket.create_connection(("127.0.0.1", port))
    if scheme == "https":
        connection = context.wrap_socket(connection)
    connection.sendall(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.recv(4096)
    connections.append(connection)
time.sleep(1)
print("%.1f" % (int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024))
END
}
wanted() { # wanted NAME: whether a case of that name was asked for
  local case
  [ ${#cases[@]} -gt 0 ] || return 0
  # shellcheck disable=SC2053
  for case in "${cases[@]}"; do [[ $1 == $case ]] && return 0; done
  return 1
}

# compare NAME UNIT BUDGET BETTER COMMAND...: alternating runs of COMMAND with each proxy's name in place of @
results=$home/results
compare() {
  local name=$1 unit=$2 budget=$3 better=$4 round who command
  shift 4
  wanted "$name" || return 0
  rm -f "$home"/run.*
  for round in $(seq "$runs"); do
    for who in ours "${peers[@]}"; do
      command=("${@/#@/$who}")
      "${command[@]}" >> "$home/run.$who"
    done
    say "$name, run $round: $(for who in ours "${peers[@]}"; do printf '%s %s  ' "$who" "$(tail -1 "$home/run.$who")"; done)"
  done
  for who in "${peers[@]}"; do
    grep -qvx 0 "$home/run.$who" || continue
    jq -cn --arg name "$name" --arg unit "$unit" --arg peer "$(version "$who")" --argjson budget "$budget" --arg better "$better" --arg who "$who" \
      --slurpfile ours "$home/run.ours" --slurpfile theirs "$home/run.$who" '
      def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
      # A run in which a proxy was not let run at all says nothing.
      [range($ours | length) | select($theirs[.] > 0) | $ours[.] / $theirs[.]] as $ratios
      | ($ratios | median) as $ratio
      # The others are shown for comparison; the budget is against HAProxy.
      | (if $who == "haproxy" then $budget else null end) as $budget
      | {name: $name, unit: $unit, ours: ($ours | median), peer: $peer, theirs: ($theirs | median), ratio: ($ratio * 1000 | round / 1000),
         spread: ($ratios | [min, max] | map(. * 1000 | round / 1000)), runs: ($ours | length), budget: $budget,
         met: (if $budget == null then null elif $better == "more" then $ratio >= $budget else $ratio <= $budget end)}' >> "$results"
  done
}
version() {
  case $1 in
    haproxy) haproxy -v | awk 'NR == 1 { sub(/-.*/, "", $3); print "haproxy " $3 }' ;;
    caddy) caddy version | awk '{ sub(/^v/, "", $1); print "caddy " $1 }' ;;
    nginx) nginx -v 2>&1 | sed 's|.*nginx/|nginx |' ;;
  esac
}

compare keep-alive-64 "requests per core second" 1.0 more requests @ http small -c64
compare keep-alive-64-10KB "requests per core second" 1.0 more requests @ http large -c64
compare new-connections-64 "requests per core second" 1.0 more requests @ http small -c64 -H "Connection: close"
compare tls-keep-alive-64 "requests per core second" 0.8 more requests @ https small -c64
compare tls-keep-alive-64-10KB "requests per core second" 0.8 more requests @ https large -c64
compare tls-new-connections-64 "requests per core second" 0.8 more requests @ https small -c64 -H "Connection: close"
compare h2-tls-64-connections-10-streams "requests per core second" null more h2requests @ small 64 10
compare h2-tls-8-connections-100-streams-10KB "requests per core second" null more h2requests @ large 8 100
compare "p99-at-$rate-per-second" ms 1.2 less latency @
# resident NAME SCHEME BUDGET: of a process that has done all of the above, which is what an operator sees. No budget: null.
resident() {
  wanted "$1" || return 0
  jq -cn --arg name "$1" --argjson ours "$(memory ours "$2")" --argjson budget "$3" '{name: $name, unit: "MB", ours: $ours, peer: null, theirs: null,
    ratio: null, spread: null, runs: 1, budget: $budget, met: (if $budget == null then null else $ours <= $budget end)}' >> "$results"
}
resident resident-with-1000-idle-connections http 30
resident resident-with-1000-idle-tls-connections https null

if [ $json = yes ]; then
  jq -cs --arg cpu "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)" --argjson cores "$(nproc)" --arg kernel "$(uname -r)" \
    '{benchmark: "gateway", machine: {cpu: $cpu, cores: $cores, kernel: $kernel}, results: .}' "$results"
else
  jq -r '[.name, (.ours | tostring), .unit, (.peer // "-"), (.theirs // "-" | tostring), "ratio", (.ratio // "-" | tostring),
    (if .met == null then "" elif .met then "met" else "NOT MET" end)] | @tsv' "$results" | column -t -s "$(printf '\t')"
fi
