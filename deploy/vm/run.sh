#!/bin/bash
# Boots a virtual machine with a pure cgroup v2 kernel and runs one command in it, as root, beside copies of the programs named.
# Needs no KVM: Debian's cloud kernel under qemu's own emulation is up in about 3 s.
#
#   deploy/vm/run.sh [--memory MB] [--time SECONDS] [--with FILE]... -- COMMAND [ARGUMENT]...
#
# Each FILE, the programs' shared libraries, and a small base (busybox, bash, nft, ip) are copied into a fresh ext4 image at the same
# paths they have here. The machine's console goes to standard output; the exit code is COMMAND's, or 125 when it never said one.
set -euo pipefail
memory=2048 limit=900 files=()
while [ $# -gt 0 ]; do
  case $1 in
    --memory) memory=$2; shift 2 ;;
    --time) limit=$2; shift 2 ;;
    --with) files+=("$2"); shift 2 ;;
    --) shift; break ;;
    *) echo "run.sh: unknown option $1; see the head of $0" >&2; exit 2 ;;
  esac
done
[ $# -gt 0 ] || { echo "run.sh: no command after --; see the head of $0" >&2; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
cache=${SIDEKICK_VM_CACHE:-$here/../../.build/vm}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/sidekick-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT

kernel() { # unpacks Debian's cloud kernel into the cache, once
  [ -e "$cache/kernel/ready" ] && return
  rm -rf "$cache/kernel"; mkdir -p "$cache/kernel"
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
  (cd "$cache" && apt-get download -qq "$package" 2>/dev/null && dpkg -x "$package"_*.deb kernel && rm -f "$package"_*.deb)
  depmod -b "$cache/kernel" "$(ls "$cache/kernel/lib/modules")"
  touch "$cache/kernel/ready"
}

initramfs() { # busybox and the modules a disk and containers need
  local root=$work/initramfs release module
  release=$(ls "$cache/kernel/lib/modules")
  mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/root" "$root/lib/modules"
  cp "$(type -P busybox)" "$root/bin/busybox"
  cp "$here/init" "$root/init"
  for module in virtio_pci virtio_blk overlay bridge veth nf_tables nft_masq nft_chain_nat nft_ct nft_redir nft_reject_inet tun sch_tbf sch_ingress act_police cls_u32 cls_matchall; do
    modprobe -d "$cache/kernel" -S "$release" --show-depends "$module" 2>/dev/null | awk '$1 == "insmod" { print $2 }' || true
  done | awk '!seen[$0]++' > "$work/modules"
  while read -r module; do
    cp "$module" "$root/lib/modules/"
    basename "$module" >> "$root/lib/modules/order"
  done < "$work/modules"
  (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initramfs.gz"
}

copy() { # copies a file and the shared libraries it needs to the same place below $work/root
  local file
  for file in "$1" $(ldd "$1" 2>/dev/null | awk '/=> \// { print $3 } /^[ \t]*\// { print $1 }'); do
    [ -e "$work/root$file" ] && continue
    mkdir -p "$work/root$(dirname "$file")"
    cp -L "$file" "$work/root$file"
  done
}

disk() {
  local root=$work/root file applet
  mkdir -p "$root"/{usr/bin,usr/sbin,lib64,proc,sys,dev,run,tmp,etc,root,var/lib}
  ln -s usr/bin "$root/bin"; ln -s usr/sbin "$root/sbin"
  for file in bash sh nft ip busybox cat sleep env true false timeout; do copy "$(readlink -f "$(type -P $file)")"; done
  for file in bash sh nft ip cat sleep env true false timeout; do
    [ -e "$root/usr/bin/$file" ] || ln -s "$(readlink -f "$(type -P $file)")" "$root/usr/bin/$file"
  done
  for applet in $("$(type -P busybox)" --list); do
    [ -e "$root/usr/bin/$applet" ] || ln -s "$(readlink -f "$(type -P busybox)")" "$root/usr/bin/$applet"
  done
  echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"; echo 'root:x:0:' > "$root/etc/group"
  for file in ${files[@]+"${files[@]}"}; do
    if [ -d "$file" ]; then
      mkdir -p "$root$(dirname "$(realpath "$file")")"; cp -a "$(realpath "$file")" "$root$(dirname "$(realpath "$file")")/"
    else
      copy "$(realpath "$file")"
    fi
  done
  { printf '#!/bin/bash\ncd %q\n' "$PWD"; printf 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin SIDEKICK_IN_VM=1\n'; printf '%q ' "$@"; printf '\n'; } > "$root/run.sh"
  chmod +x "$root/run.sh"; mkdir -p "$root$PWD"
  local size=$(($(du -sm "$root" | cut -f1) * 5 / 4 + 1024))
  mke2fs -q -q -t ext4 -O ^has_journal -d "$root" "$work/disk.img" "${size}M" > /dev/null
}

kernel
initramfs
disk "$@"

boot() { # the machine's console, cleaned of what a terminal would make of it
  : > "$work/console"
  timeout --foreground "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m "$memory" -nographic -no-reboot -nodefaults \
    -serial stdio -pidfile "$work/pid" -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$work/initramfs.gz" \
    -drive "file=$work/disk.img,format=raw,if=virtio,cache=unsafe" \
    -append "console=ttyS0 quiet panic=-1 no_timer_check nowatchdog mitigations=off random.trust_cpu=on cgroup_no_v1=all" < /dev/null 2>&1 |
    tee "$work/console" | tr -d '\r' |
    sed -e 's/\x1b\[[0-9;?]*[a-zA-Z]//g' -e 's/\x1bc//g' -e 's/^Booting from ROM\.*//' | grep -v -e '^VM-' -e '^SeaBIOS'
}

set +e
for attempt in 1 2 3; do
  # On a host with much else to do, an emulated boot sometimes hangs before its first word.
  (for _ in {1..60}; do sleep 1; grep -qa VM-UP "$work/console" && exit; done; kill "$(cat "$work/pid")") 2>/dev/null &
  boot
  kill $! 2>/dev/null
  grep -qa VM-UP "$work/console" && break
  echo "run.sh: the machine did not come up (attempt $attempt of 3)" >&2
done
status=$(tr -d '\r' < "$work/console" | sed -n 's/^VM-EXIT //p' | tail -1)
exit "${status:-125}"
