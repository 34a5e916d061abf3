#!/bin/bash
# Installs what a fresh Debian 12 machine with Swift 6.3 lacks. Says nothing when nothing is missing.
#
#   deploy/setup.sh [build|test|bench]      build is the default; test adds what the tests drive, bench the rivals that benchmarks run beside
set -euo pipefail
build=(libarchive-dev libseccomp-dev libsqlite3-dev libzstd-dev libssl-dev libnghttp2-dev zlib1g-dev pkg-config gcc libc6-dev nftables iproute2 kmod sqlite3)
test=(openssl busybox-static skopeo zstd libcap2-bin python3 qemu-system-x86 e2fsprogs cpio jq curl podman crun runc conmon iptables
  nghttp2-client strace python3-grpcio python3-protobuf python3-websockets)
bench=(haproxy nginx-light caddy wrk protobuf-compiler)
case ${1:-build} in
  build) wanted=("${build[@]}") ;;
  test) wanted=("${build[@]}" "${test[@]}") ;;
  bench) wanted=("${build[@]}" "${test[@]}" "${bench[@]}") ;;
  *) echo "setup.sh: unknown set $1: build, test or bench" >&2; exit 2 ;;
esac
missing=()
for package in "${wanted[@]}"; do
  [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || { echo "setup.sh: not installed: ${missing[*]}. Run as root, or: apt-get install ${missing[*]}" >&2; exit 1; }
  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  log=$(mktemp); trap 'rm -f "$log"' EXIT
  apt-get install -y -qq --no-install-recommends "${missing[@]}" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
command -v swift > /dev/null || { echo "setup.sh: no swift on the PATH: install Swift 6.3 (swift.org/install) first" >&2; exit 1; }
