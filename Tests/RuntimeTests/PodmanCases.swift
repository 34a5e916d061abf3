/// The commands, as a script of bash: `cases.sh STORE RUNTIME`. Whatever a case prints has to be alike, so no ids, times or paths of stores.
enum PodmanCases {
    static func options(_ store: String, _ runtime: String) -> [String] {
        [
            "--root", "\(store)/root", "--runroot", "\(store)/run", "--tmpdir", "\(store)/tmp", "--storage-driver", "vfs",
            "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--log-level", "fatal", "--runtime", runtime,
        ]
    }

    static let script = #"""
        store=$1 runtime=$2
        exec 2>&1
        cd "$store"
        podman() {
          command podman --root "$store/root" --runroot "$store/run" --tmpdir "$store/tmp" --storage-driver vfs --cgroup-manager cgroupfs \
            --events-backend none --log-level fatal --runtime "$runtime" "$@" 2> "$store/errors"
        }
        limits="--ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
        run() { podman run --rm $limits --network none "$@"; }
        case_() { # case_ NAME COMMAND...
          echo "=== $1"; shift
          "$@"; echo "exit code $?"
        }
        sh() { run "$@"; }

        mkdir -p image/bin image/etc image/tmp image/root image/data
        cp "$(type -P busybox)" image/bin/busybox
        for applet in $(busybox --list); do [ $applet = busybox ] || ln -s busybox image/bin/$applet; done
        echo 'root:x:0:0:root:/root:/bin/sh
        user:x:1000:1000:user:/home/user:/bin/sh' | sed 's/^ *//' > image/etc/passwd
        echo 'root:x:0:' > image/etc/group
        echo image > image/data/file
        tar -C image -cf image.tar .
        podman import --quiet image.tar test:1 > /dev/null || { cat errors; exit 1; }

        case_ run run test:1 sh -c 'echo out; echo err >&2; exit 7'
        case_ 'no such program' run test:1 nosuchprogram
        case_ 'not executable' run test:1 /etc/passwd
        case_ 'killed by signal' run --init test:1 sh -c 'kill -9 $$'
        case_ 'environment and directory' run --env A=b --workdir /made/up test:1 sh -c 'echo $A $HOME; pwd'
        case_ user run --user 1000:1001 --group-add 5 test:1 sh -c 'id -u; id -g; id -G; echo $HOME; grep Cap /proc/self/status'
        case_ 'default capabilities' run test:1 grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status
        case_ 'capabilities changed' run --cap-add SYS_ADMIN,NET_ADMIN --cap-drop CHOWN,KILL test:1 grep Cap /proc/self/status
        echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}' > seccomp.json
        case_ 'seccomp profile' run --security-opt seccomp="$store/seccomp.json" test:1 mkdir /tmp/x
        case_ init run --init test:1 sh -c 'cat /proc/1/comm; ps -o pid,comm > /tmp/ps; wc -l < /tmp/ps'
        case_ terminal run -t test:1 sh -c 'tty; test -t 1 && echo terminal; ls /dev/console'
        case_ 'memory' run --memory 64m --memory-swap 64m test:1 sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max'
        case_ 'out of memory' run --memory 16m --memory-swap 16m test:1 dd if=/dev/zero of=/dev/null bs=64M count=1
        case_ 'processors' run --cpus 0.5 --cpu-shares 300 test:1 sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.shares'
        case_ 'process limit' run --pids-limit 20 test:1 sh -c 'cat /sys/fs/cgroup/pids/pids.max; for i in $(seq 30); do sleep 5 & done'
        case_ 'read-only root' run --read-only test:1 sh -c 'echo x > /etc/x; echo y > /tmp/y && cat /tmp/y; echo z > /dev/shm/z && echo shm'
        case_ tmpfs run --tmpfs /data:size=1m,mode=700 test:1 sh -c 'ls /data; stat -c %a /data; grep " /data " /proc/mounts'
        mkdir -p volume; echo volume > volume/file
        case_ 'volume' run -v "$store/volume":/v test:1 sh -c 'cat /v/file; echo written > /v/new'
        case_ 'volume written' cat volume/new
        case_ 'read-only volume' run -v "$store/volume":/v:ro test:1 sh -c 'cat /v/file; echo x > /v/x'
        case_ 'mount options' run -v "$store/volume":/v:ro,nosuid,nodev,noexec,rslave test:1 sh -c 'grep " /v " /proc/self/mountinfo | cut -d" " -f6'
        case_ 'device' run --device /dev/fuse:/dev/mine:r test:1 sh -c 'stat -c "%F %t:%T" /dev/mine; echo > /dev/mine'
        case_ 'device refused' run --cap-add MKNOD test:1 sh -c 'mknod /tmp/m c 1 1 && head -c 1 /tmp/m'
        case_ 'limits of resources, host name, score' run --ulimit core=0:0 --hostname box --oom-score-adj 500 test:1 sh -c 'ulimit -n; ulimit -Hn; ulimit -c; hostname; cat /proc/self/oom_score_adj'
        case_ 'kernel setting' run --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=4242 test:1 cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax
        case_ 'privileged' run --privileged test:1 sh -c 'grep CapEff /proc/self/status; mount -t tmpfs x /data && echo mounted; test -e /dev/mem && echo devices'
        case_ 'masked paths' run test:1 sh -c 'cat /proc/kcore | head -c 1; ls /sys/firmware; echo 1 > /proc/sys/kernel/printk; grep -c " ro," /proc/mounts'
        case_ 'process namespace of the host' run --pid host test:1 sh -c 'test -d /proc/'$$' && echo seen'
        case_ 'network namespace of the host' podman run --rm $limits --network host test:1 sh -c 'readlink /proc/self/ns/net'
        case_ 'no network' run test:1 sh -c 'ip -o link | wc -l; ip -o addr show lo | grep -o "inet [0-9.]*"'
        case_ 'control groups of its own' run --cgroupns private test:1 cat /proc/self/cgroup
        case_ 'user namespace' run --uidmap 0:100000:2000 --gidmap 0:200000:2000 test:1 sh -c 'cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /tmp/x && stat -c %u:%g /tmp/x; echo > /dev/null && echo opened'
        case_ 'umask' run --umask 077 test:1 sh -c 'umask; touch /tmp/x; stat -c %a /tmp/x'

        podman run --detach $limits --network none --name long --annotation org.example=text --stop-signal USR1 --stop-timeout 5 test:1 \
          sh -c 'trap "echo stopping; exit 9" USR1; sleep 3600 & echo started; while :; do wait; done' > /dev/null
        # Until the program has said so as often, its trap is not set, and what `stop` does would be a matter of luck.
        started() { for i in $(seq 100); do [ "$(podman logs long | grep -c started)" = $1 ] && return; done; echo "not started $1 times"; }
        started 1
        case_ exec podman exec long sh -c 'echo inside; exit 4'
        case_ 'exec with settings' podman exec --user 1000 --workdir /tmp --env A=1 long sh -c 'id -u; pwd; echo $A'
        case_ 'exec with input' eval 'echo typed | podman exec -i long cat'
        case_ 'exec on a terminal' podman exec -t long tty
        case_ 'exec of nothing' podman exec long nosuchprogram
        case_ 'exec detached' eval 'podman exec -d long touch /tmp/made > /dev/null; for i in $(seq 50); do podman exec long test -e /tmp/made && break; done; podman exec long ls /tmp'
        case_ top eval 'podman top long pid,comm | head -2 | tail -1'
        case_ inspect podman inspect --format '{{.State.Status}} {{.State.Running}} {{index .Config.Annotations "org.example"}}' long
        case_ stats podman stats --no-stream --format '{{.Name}} {{.PIDs}}' long
        case_ pause podman pause long > /dev/null
        case_ 'paused' podman inspect --format '{{.State.Status}}' long
        case_ 'exec when paused' podman exec long true
        case_ unpause podman unpause long > /dev/null
        case_ 'restart' eval 'podman restart --time 5 long > /dev/null'
        started 2
        case_ 'stop' podman stop long
        case_ 'logs' podman logs long
        case_ 'exit code kept' podman inspect --format '{{.State.Status}} {{.State.ExitCode}}' long
        case_ 'started again' podman start long
        case_ 'kill' podman kill --signal KILL long
        case_ 'wait' podman wait long
        case_ 'rm' podman rm long
        case_ 'attach' eval 'podman run -d -i --name a $limits --network none test:1 cat > /dev/null; echo typed | podman attach a; podman rm -f -t 0 a'
        podman create --name once $limits --network none test:1 sh -c 'echo once; exit 2' > /dev/null
        case_ 'start attached' podman start --attach once
        case_ 'removed' podman rm once
        case_ 'list' podman ps --all --quiet
        """#
}
