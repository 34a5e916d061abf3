#!/bin/bash
# Containers beside crun and runc, alternating in one run: whole lives, prepared, first instruction, freeze, thaw, fifty at once, memory
# of a guard beside conmon's, what a prepared replica costs. Needs root; leaves nothing behind.
#
# All get the same namespaces, limits, capabilities, masks and as strict a filter of system calls, and everybody's state that ends with
# the boot lies on a tmpfs, as /run is. What differs: the rivals are programs of their own, as podman and containerd run them, and get a
# ready root file system; ours is called inside this process, as the agent does, and also stacks an overlay with a layer of its own, guards
# and logs.
#
#   deploy/bench/containers.sh [--runs N] [--json]      30 runs without; --json prints the one result object last
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=30 json=no
while [ $# -gt 0 ]; do
  case $1 in
    --runs) runs=$2; shift 2 ;;
    --json) json=yes; shift ;;
    *) echo "containers.sh: unknown option $1; see the head of $0" >&2; exit 2 ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo "containers.sh: must run as root" >&2; exit 2; }
deploy/setup.sh bench

binaries=${SIDEKICK_BENCH_BINARIES:-} # a directory with ContainerBench and sidekick-init already built
if [ -z "$binaries" ]; then
  build=.build-release
  swift build -c release --scratch-path "$build" --static-swift-stdlib --product ContainerBench 2>&1 | tail -1 >&2
  swift build -c release --scratch-path "$build" --product sidekick-init 2>&1 | tail -1 >&2
  binaries=$build/release
fi
binaries=$(realpath "$binaries")

work=$(mktemp -d "${TMPDIR:-/tmp}/sidekick-bench.XXXXXX")
volatile=/dev/shm
[ "$(stat -fc %T /run)" != tmpfs ] || volatile=/run
run=$(mktemp -d "$volatile/sidekick-bench.XXXXXX")
hugetlb=no
clean() {
  for runtime in crun runc; do
    for id in $(ls "$run/$runtime" 2>/dev/null); do "$runtime" --root "$run/$runtime" delete --force "$id" 2>/dev/null || true; done
  done
  # An interrupted engine's containers die with its cgroups; its next start would find the rest, here there is none.
  "$binaries/ContainerBench" --clean "$work" "$run" "$binaries/sidekick-init" || true
  [ $hugetlb = no ] || { umount /sys/fs/cgroup/hugetlb && rmdir /sys/fs/cgroup/hugetlb; } || true
  rm -rf "$work" "$run"
}
trap clean EXIT

# crun 1.8 refuses hybrid cgroups while hugetlb sits on v2.
if grep -qw hugetlb /sys/fs/cgroup/unified/cgroup.controllers 2>/dev/null; then
  mkdir -p /sys/fs/cgroup/hugetlb
  mount -t cgroup -o hugetlb cgroup /sys/fs/cgroup/hugetlb && hugetlb=yes
fi

layer=$work/layer
mkdir -p "$layer"/{dev,proc,sys,etc,tmp}
cat > "$work/clock.c" <<'C'
#include <sys/syscall.h>
static long call(long n, long a, long b, long c) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return r;
}
__attribute__((force_align_arg_pointer)) void _start(void) {
  struct { long seconds, nanoseconds; } time = {0, 0};
  char text[24];
  int at = sizeof text;
  if (PROGRAM == 'c') call(SYS_clock_gettime, 1, (long)&time, 0);
  if (PROGRAM == 's') { time.seconds = 1000000; call(SYS_nanosleep, (long)&time, 0, 0); }
  if (PROGRAM == 'c') {
    unsigned long value = (unsigned long)time.seconds * 1000000000ul + (unsigned long)time.nanoseconds;
    text[--at] = '\n';
    do text[--at] = (char)('0' + value % 10); while (value /= 10);
    call(SYS_write, 1, (long)(text + at), (long)sizeof text - at);
  }
  call(SYS_exit_group, 0, 0, 0);
}
C
# The floor of a start: a process that waits for a byte and then becomes the same program, in no container. Prints milliseconds.
cat > "$work/wake.c" <<'C'
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
int main(int count, char **arguments) {
  int event = eventfd(0, 0), output[2];
  uint64_t one = 1;
  char text[64] = "";
  struct timespec began;
  if (count < 2 || pipe(output) < 0) return 2;
  if (fork() == 0) {
    dup2(output[1], 1);
    if (read(event, &one, sizeof one) == sizeof one) execl(arguments[1], arguments[1], NULL);
    _exit(1);
  }
  usleep(100000);
  clock_gettime(CLOCK_MONOTONIC, &began);
  if (write(event, &one, sizeof one) < 0 || read(output[0], text, sizeof text - 1) <= 0) return 1;
  wait(NULL);
  printf("%.4f\n", atof(text) / 1e6 - (double)began.tv_sec * 1e3 - (double)began.tv_nsec / 1e6);
}
C
gcc -O2 "$work/wake.c" -o "$work/wake"
for program in true clock sleep; do
  gcc -O2 -static -nostdlib -nostartfiles -fno-stack-protector -DPROGRAM="'${program:0:1}'" "$work/clock.c" -o "$layer/$program"
  bundle=$work/bundles/$program
  mkdir -p "$bundle"
  cp -a "$layer" "$bundle/rootfs"
  # The same isolation and limits as ours: all namespaces, the user's included, an id range, masked paths, default capabilities, and the
  # system calls that podman's profile always allows.
  (cd "$bundle" && runc spec) 
  jq --arg program "/$program" --slurpfile profile /usr/share/containers/seccomp.json '
    .process.terminal = false | .process.args = [$program] | .root.readonly = false |
    .process.capabilities = (["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID",
      "CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"] as $c
      | {bounding: $c, effective: $c, permitted: $c}) |
    .linux.namespaces += [{"type": "user"}] | .linux.namespaces |= unique |
    .linux.uidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings |
    .linux.resources = {"memory": {"limit": 67108864, "swap": 67108864}, "cpu": {"quota": 100000, "period": 100000}, "pids": {"limit": 100}} |
    .linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], syscalls: [{
      action: "SCMP_ACT_ALLOW", names: ([$profile[0].syscalls[] | select(.action == "SCMP_ACT_ALLOW" and ((.includes // {}) | length == 0)
        and ((.args // []) | length == 0)) | .names[]] | unique)}]}
  ' "$bundle/config.json" > "$bundle/config.new"
  mv "$bundle/config.new" "$bundle/config.json"
  chown -R 1000000:1000000 "$bundle/rootfs"
done
for program in true clock sleep; do cp "$layer/$program" "$work/bundles/true/rootfs/" 2>/dev/null || true; done
chmod 755 "$work" "$work/bundles" "$work/bundles"/*

"$binaries/ContainerBench" "$work" "$run" "$binaries/sidekick-init" "$runs" | tee "$work/out" | sed '/^{"benchmark"/,$d'
[ $json = no ] || sed -n '/^{"benchmark"/,$p' "$work/out"
