#!/bin/bash
# Says what an instance of Sidekick left on this host: processes, mounts, bridge, veths, cgroups, nftables table. Exit code 1 if anything.
#
#   deploy/leftovers.sh NAME DIRECTORY
set -uo pipefail
name=$1 directory=$2 found=0
report() { [ -z "$1" ] || { echo "left behind: $2: $1" >&2; found=1; }; }
report "$(pgrep -af -- "$directory/" | grep -v -e leftovers.sh -e demo.sh)" processes
report "$(grep -F "$directory/" /proc/self/mountinfo | awk '{ print $5 }')" mounts
report "$(ip -o link show 2>/dev/null | grep -F "skbr-$name" | awk '{ print $2 }')" "bridge or veths"
report "$(find /sys/fs/cgroup -maxdepth 2 -type d -name "sidekick-$name" 2>/dev/null)" cgroups
report "$(nft list tables 2>/dev/null | grep -w "sidekick-$name")" "nftables table"
exit $found
