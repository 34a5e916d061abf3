import ContainerCore
import Glibc
import Testing

extension EngineTests {
    @Suite struct Isolation {
        /// What `script` printed, line by line.
        private func lines(
            _ bed: EngineBed, _ script: String, _ change: (inout ContainerConfiguration) -> Void = { _ in }
        ) async throws -> [String] {
            var configuration = bed.script(script)
            change(&configuration)
            let (exit, lines) = try await bed.finish(configuration)
            #expect(exit.failure == nil)
            return lines.map(\.text)
        }

        private func link(_ path: String) -> String {
            var bytes = [UInt8](repeating: 0, count: 4096)
            let length = readlink(path, &bytes, bytes.count)
            return String(decoding: bytes.prefix(max(length, 0)), as: UTF8.self)
        }

        @Test func `every namespace is its own`() async throws {
            try await withEngine { bed in
                let kinds = ["mnt", "pid", "net", "uts", "ipc", "cgroup", "user"]
                let inside = try await lines(bed, "for n in \(kinds.joined(separator: " ")); do readlink /proc/self/ns/$n; done")
                #expect(inside.count == kinds.count)
                for (kind, name) in zip(kinds, inside) { #expect(name != link("/proc/self/ns/\(kind)"), "\(kind)") }
                // Both alive: the kernel gives the numbers of ended namespaces again.
                var pids: [Int32] = []
                for id in ["one", "two"] {
                    _ = try await bed.engine.prepare(bed.script("sleep 1000", id: id))
                    pids.append(try #require(try await bed.engine.start(id).pid))
                }
                for kind in kinds {
                    #expect(link("/proc/\(pids[0])/ns/\(kind)") != link("/proc/\(pids[1])/ns/\(kind)"), "\(kind)")
                }
            }
        }

        @Test(arguments: [true, false])
        func `privileges are the default set, none can be gained, and a filter is on`(userNamespace: Bool) async throws {
            try await withEngine { bed in
                let status = try await lines(bed, "cat /proc/self/status; cat /proc/self/uid_map") {
                    $0.userNamespace = userNamespace
                }
                func field(_ name: String) -> String? {
                    status.first { $0.hasPrefix("\(name):") }?.split(separator: "\t").last.map(String.init)
                }
                for set in ["CapPrm", "CapEff", "CapBnd"] { #expect(field(set) == "00000000a80425fb", "\(set)") }
                #expect(field("CapInh") == "0000000000000000")
                #expect(field("CapAmb") == "0000000000000000")
                #expect(field("NoNewPrivs") == "1")
                #expect(field("Seccomp") == "2")
                let map = status.last?.split(separator: " ").map(String.init)
                if userNamespace { #expect(map?[1] != "0" && map?[2] == "65536") } else { #expect(map?[1] == "0") }
            }
        }

        @Test func `another user has its groups and no privileges`() async throws {
            try await withEngine { bed in
                let shown = try await lines(
                    bed,
                    "id -u; id -g; id -G; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; grep CapEff /proc/self/status; echo $HOME; echo out > /dev/stdout"
                ) {
                    $0.user = ContainerUser(uid: 1000, gid: 1001, additionalGroups: [7])
                }
                #expect(shown == ["1000", "1001", "1001 7", "0", "CapEff:\t0000000000000000", "/", "out"])
            }
        }

        @Test func `no descriptor but the standard streams is open`() async throws {
            try await withEngine { bed in
                // ls has the directory it lists open, as descriptor 3.
                #expect(try await lines(bed, "exec ls /proc/self/fd") == ["0", "1", "2", "3"])
                _ = try await bed.engine.prepare(bed.script("sleep 1000", id: "runs"))
                _ = try await bed.engine.start("runs")
                let (_, output) = try await bed.engine.run(
                    "runs", arguments: ["ls", "/proc/self/fd"], timeoutMilliseconds: 5_000)
                #expect(String(decoding: output, as: UTF8.self) == "0\n1\n2\n3\n")
            }
        }

        @Test(arguments: [true, false])
        func `no path of the host shows in its mounts`(userNamespace: Bool) async throws {
            try await withEngine { bed in
                let mounts = try await lines(bed, "cat /proc/self/mountinfo") { $0.userNamespace = userNamespace }
                #expect(mounts.contains { $0.contains(" / / ") && $0.contains("overlay") })
                for mount in mounts {
                    #expect(!mount.contains(bed.configuration.name), "\(mount)")
                    #expect(!mount.contains("/work/") && !mount.contains("/tmp/") && !mount.contains("/var/"), "\(mount)")
                }
                #expect(mounts.filter { $0.split(separator: " ")[4] == "/" }.count == 1)
                let targets = mounts.map { $0.split(separator: " ")[4] }
                for target in [
                    "/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/etc/hosts", "/proc/keys", "/proc/sys",
                ] {
                    #expect(targets.contains(target[...]), "\(target)")
                }
            }
        }

        @Test(arguments: [true, false])
        func `the kernel's knobs are out of reach`(userNamespace: Bool) async throws {
            try await withEngine { bed in
                let attempts = [
                    "echo 1 > /proc/sys/kernel/panic", "echo c > /proc/sysrq-trigger", "echo x > /sys/kernel/uevent_helper",
                    "mkdir /sys/fs/cgroup/x", "mount -t tmpfs none /tmp", "umount /proc", "mount -o remount,rw /sys",
                    "hostname other", "mknod /tmp/sda b 8 0 && head -c 1 /tmp/sda", "mount --bind /proc /tmp",
                    "ip link add dummy0 type dummy", "test -n \"$(head -c 1 /proc/kcore)\"", "readlink /proc/1/fd/3",
                    "cat /proc/1/environ",
                    "readlink /proc/1/exe", "cat /dev/vda", "chown 70000 /tmp",
                ]
                let script = attempts.map {
                    "if { \($0); } >/dev/null 2>&1; then echo 'DONE: \($0.replacing("'", with: ""))'; fi"
                }
                let done = try await lines(bed, script.joined(separator: "\n")) { $0.userNamespace = userNamespace }
                // Without a user namespace every id exists, and pid 1 is of the same user.
                let allowed = userNamespace ? [] : ["DONE: chown 70000 /tmp"]
                #expect(done.filter { !allowed.contains($0) } == [])
            }
        }

        @Test(arguments: [true, false])
        func `devices are those every program expects`(userNamespace: Bool) async throws {
            try await withEngine { bed in
                let shown = try await lines(
                    bed,
                    """
                    for d in null zero full random urandom tty; do stat -c '%n %F %t:%T' /dev/$d; done
                    echo x > /dev/null && head -c 2 /dev/zero | wc -c && head -c 2 /dev/urandom | wc -c
                    readlink /dev/fd; readlink /dev/ptmx; echo shm > /dev/shm/x && cat /dev/shm/x
                    """
                ) { $0.userNamespace = userNamespace }
                #expect(
                    shown == [
                        "/dev/null character special file 1:3", "/dev/zero character special file 1:5",
                        "/dev/full character special file 1:7", "/dev/random character special file 1:8",
                        "/dev/urandom character special file 1:9", "/dev/tty character special file 5:0", "2", "2",
                        "/proc/self/fd", "pts/ptmx", "shm",
                    ])
            }
        }

        @Test func `a read-only root refuses writes, but not its tmpfs and volumes`() async throws {
            try await withEngine { bed in
                mkdir("\(bed.root)/volume", 0o755)
                mkdir("\(bed.root)/fixed", 0o755)
                let shown = try await lines(
                    bed,
                    """
                    touch /x 2>/dev/null || echo refused; touch /fixed/x 2>/dev/null || echo refused
                    touch /scratch/x && echo scratch; touch /volume/x && stat -c %u /volume/x
                    """
                ) {
                    $0.readOnlyRoot = true
                    $0.mounts = [
                        ContainerMount(kind: .tmpfs, source: "", target: "/scratch", readOnly: false, size: 1 << 20),
                        ContainerMount(kind: .bind, source: "\(bed.root)/volume", target: "/volume", readOnly: false),
                        ContainerMount(kind: .bind, source: "\(bed.root)/fixed", target: "/fixed", readOnly: true),
                    ]
                }
                #expect(shown == ["refused", "refused", "scratch", "0"])
                var about = stat()
                #expect(stat("\(bed.root)/volume/x", &about) == 0)
                // Mapped: what root inside makes is root's outside.
                #expect(about.st_uid == 0)
            }
        }

        @Test func `layers stay as they are, and ids inside them are the image's`() async throws {
            try await withEngine { bed in
                chown("\(bed.layer)/etc/passwd", 33, 33)
                let shown = try await lines(
                    bed, "stat -c %u /etc/passwd /bin/busybox; echo changed > /etc/passwd; rm /bin/ls; touch /new")
                #expect(shown == ["33", "0"])
                #expect(text("\(bed.layer)/etc/passwd") == "root:x:0:0::/root:/bin/sh\n")
                #expect(access("\(bed.layer)/bin/ls", F_OK) == 0 && access("\(bed.layer)/new", F_OK) != 0)
            }
        }

        @Test(arguments: [true, false])
        func `nothing lies above the root`(userNamespace: Bool) async throws {
            try await withEngine { bed in
                let shown = try await lines(bed, "cd /; for d in . .. ../..; do stat -c '%d %i' $d; done | sort -u | wc -l") {
                    $0.userNamespace = userNamespace
                }
                #expect(shown == ["1"])
            }
        }

        @Test func `host name, hosts file and working directory are its own`() async throws {
            try await withEngine { bed in
                let shown = try await lines(bed, "hostname; cat /etc/hostname; pwd; grep -c localhost /etc/hosts; echo $X") {
                    $0.hostname = "box"
                    $0.workingDirectory = "/srv/app"
                    $0.environment.append("X=y z")
                }
                #expect(shown == ["box", "box", "/srv/app", "2", "y z"])
            }
        }

        @Test(arguments: [true, false])
        func `programs find their own limits, and cannot change them`(userNamespace: Bool) async throws {
            try await withEngine { bed in
                let shown = try await lines(
                    bed,
                    """
                    cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null
                    cat pids/pids.max pids.max 2>/dev/null
                    for f in memory/memory.limit_in_bytes memory.max pids/pids.max pids.max; do
                      test -e $f && echo 1000000000 > $f && echo WROTE $f; done 2>/dev/null
                    mkdir x memory/x 2>/dev/null && echo MADE; touch x 2>/dev/null && echo TOUCHED; cat /proc/self/cgroup | grep -vc ':/$'
                    """
                ) {
                    $0.userNamespace = userNamespace
                    $0.limits.memoryBytes = 64 << 20
                    $0.limits.pids = 77
                }
                #expect(shown == ["\(64 << 20)", "77", "0"])
            }
        }

        @Test(arguments: [true, false])
        func `resource limits, kernel settings and name servers are as configured`(userNamespace: Bool) async throws {
            try await withEngine { bed in
                let shown = try await lines(
                    bed,
                    """
                    ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/tcp_fin_timeout /proc/sys/kernel/shmmni /etc/resolv.conf
                    cat /proc/self/oom_score_adj
                    """
                ) {
                    $0.userNamespace = userNamespace
                    $0.resourceLimits = ["nofile": ResourceLimit(soft: 100, hard: 200)]
                    // Kernels before 6.9 let no user namespace set those of System V.
                    $0.kernelSettings = userNamespace ? [:] : ["kernel.shmmni": "88"]
                    $0.kernelSettings?["net.ipv4.tcp_fin_timeout"] = "77"
                    $0.resolver = "nameserver 10.1.2.3\n"
                    $0.outOfMemoryScore = 300
                }
                #expect(shown == ["100", "200", "77", userNamespace ? "4096" : "88", "nameserver 10.1.2.3", "300"])
            }
            #expect(text("/proc/sys/net/ipv4/tcp_fin_timeout") != "77\n")
        }

        @Test func `orphans are reaped`() async throws {
            try await withEngine { bed in
                let shown = try await lines(
                    bed, "(sleep 0.01 &) ; (sleep 0.01 &); sleep 0.3; ps -o stat,args | grep -c '^Z'; echo done")
                #expect(shown == ["0", "done"])
            }
        }

        @Test func `a fork bomb and a memory hog stay within their limits, and the latter is told`() async throws {
            try await withEngine { bed in
                var bomb = bed.script("f() { f | f & }; f 2>/dev/null; sleep 0.5; echo end", id: "bomb")
                bomb.limits.pids = 30
                _ = try await bed.engine.prepare(bomb)
                _ = try await bed.engine.start("bomb")
                #expect(try await bed.engine.statistics("bomb").processes <= 30)
                try await bed.engine.remove("bomb")
                var hog = bed.script("x=$(head -c 100000000 /dev/zero | sed 's/./y/g')", id: "hog")
                hog.arguments = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"]
                hog.limits.memoryBytes = 20 << 20
                hog.limits.memoryAndSwapBytes = 20 << 20
                let (exit, _) = try await bed.finish(hog)
                #expect(exit == ContainerExit(code: 137, signal: SIGKILL, outOfMemory: true, failure: nil))
            }
        }

        @Test func `two containers on a network reach the bridge and have different addresses`() async throws {
            try await withEngine(subnet: "10.213.7.0/24") { bed in
                let first = try await bed.engine.prepare(bed.script("sleep 1000", id: "one"))
                let second = try await bed.engine.prepare(bed.script("sleep 1000", id: "two"))
                #expect(first.address?.hasPrefix("10.213.7.") == true)
                #expect(first.address != second.address)
                _ = try await bed.engine.start("one")
                let (_, output) = try await bed.engine.run("one", arguments: ["ip", "-4", "addr"], timeoutMilliseconds: 5_000)
                let shown = String(decoding: output, as: UTF8.self)
                #expect(shown.contains(try #require(first.address)) && shown.contains("127.0.0.1"))
                let (ping, _) = try await bed.engine.run(
                    "one", arguments: ["/bin/busybox", "ping", "-c", "1", "-W", "2", "10.213.7.1"], timeoutMilliseconds: 5_000)
                #expect(ping.code == 0)
                let adopted = try await bed.replaceEngine().recover()
                #expect(adopted.map(\.address) == [first.address, second.address])
            }
        }
    }
}
