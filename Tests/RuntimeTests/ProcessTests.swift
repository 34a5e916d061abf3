import Glibc
import OCIRuntime
import Testing

extension BundleTests {
    @Suite(.serialized) struct ProcessTests {
        @Test func `User, groups, umask, environment and working directory are as given`() throws {
            try withBed { bed in
                bed.configuration.root?.readonly = false
                bed.configuration.process?.user = try bed.part(
                    #"{"uid": 1000, "gid": 1001, "umask": 63, "additionalGids": [5, 6]}"#)
                bed.configuration.process?.env? += ["A=b=c", "EMPTY="]
                bed.configuration.process?.cwd = "/made/here"
                chmod("\(bed.bundle)/rootfs/tmp", 0o1777)
                let ran = try bed.run("id -u; id -g; id -G; pwd; echo $A:$EMPTY:$HOME; touch /tmp/x; stat -c %a /tmp/x")
                #expect(ran.output == "1000\n1001\n1001 5 6\n/made/here\nb=c::/home/user\n600\n", "\(ran)")
            }
        }

        @Test func `Capabilities are exactly those of the five sets`() throws {
            try withBed { bed in
                bed.configuration.process?.capabilities = try bed.part(
                    """
                    {"bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], "permitted": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_KILL"],
                     "inheritable": ["CAP_CHOWN", "CAP_KILL"], "ambient": ["CAP_KILL"]}
                    """)
                bed.configuration.process?.user = try bed.part(#"{"uid": 1000, "gid": 1000}"#)
                let ran = try bed.run("grep Cap /proc/self/status")
                for line in [
                    "CapInh:\t0000000000000021", "CapPrm:\t0000000000000020", "CapEff:\t0000000000000020",
                    "CapBnd:\t00000000000000a1", "CapAmb:\t0000000000000020",
                ] { #expect(ran.output.contains(line), "\(line): \(ran.output)") }
                bed.configuration.process?.user = nil
                bed.configuration.process?.capabilities = nil
                try #expect(bed.run("grep CapEff /proc/self/status").output == "CapEff:\t0000000000000000\n")
            }
        }

        @Test func `Resource limits, no new privileges, the score for want of memory and priorities reach the program`() throws {
            try withBed { bed in
                bed.configuration.process?.rlimits = try bed.part(
                    #"[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]"#)
                bed.configuration.process?.oomScoreAdj = 321
                bed.configuration.process?.ioPriority = try bed.part(#"{"class": "IOPRIO_CLASS_IDLE", "priority": 0}"#)
                bed.configuration.process?.scheduler = try bed.part(#"{"policy": "SCHED_BATCH", "nice": 5}"#)
                let ran = try bed.run(
                    "ulimit -n; ulimit -Hn; ulimit -c; grep NoNewPrivs /proc/self/status; cat /proc/self/oom_score_adj; head -c 1000 /proc/self/stat"
                )
                #expect(ran.output.hasPrefix("100\n200\n0\nNoNewPrivs:\t1\n321\n"), "\(ran)")
                #expect(ran.output.split(separator: " ").dropFirst(18).first == "5", "nice value")
                bed.configuration.process?.rlimits? += [try bed.part(#"{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}"#)]
                try #expect(bed.create().errors.contains("named twice"))
            }
        }

        @Test func `A terminal is given to the program, with its size, and its console is the same`() throws {
            try withBed { bed in
                bed.configuration.process?.terminal = true
                bed.configuration.process?.consoleSize = try bed.part(#"{"height": 33, "width": 111}"#)
                let ran = try bed.run("tty; stty size; stat -c %t:%T /dev/console $(tty)")
                let lines = ran.output.split(whereSeparator: \.isNewline).map(String.init)
                #expect(lines.prefix(2) == ["/dev/pts/0", "33 111"] && lines.count == 4 && lines[2] == lines[3], "\(ran)")
                try #expect(bed.create().errors.contains("--console-socket"))
            }
        }

        @Test func `Seccomp rules apply by action, error, argument and in every architecture named`() throws {
            try withBed { bed in
                bed.configuration.linux?.seccomp = try bed.part(
                    """
                    {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"], "syscalls": [
                      {"names": ["mkdir", "mkdirat", "not_a_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100},
                      {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}]}
                    """)
                let ran = try bed.run(
                    "mkdir /tmp/x 2>&1; kill -10 $$ 2>&1; kill -0 $$ && echo other; grep Seccomp: /proc/self/status")
                #expect(ran.output.contains("Network is down") && ran.output.contains("Operation not permitted"), "\(ran)")
                #expect(ran.output.hasSuffix("other\nSeccomp:\t2\n"), "\(ran)")
                bed.configuration.linux?.seccomp = try bed.part(
                    #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}"#)
                try #expect(bed.create().errors.contains("SCMP_ACT_NOTIFY"))
            }
        }

        @Test func `Descriptors above the standard ones are closed but for those to be preserved`() throws {
            try withBed { bed in
                bed.script("ls /proc/self/fd; cat <&3")
                try bed.save()
                let script = """
                    echo passed > \(bed.root)/text
                    exec 3< \(bed.root)/text 4< /etc/passwd 5< /
                    \(bed.root)/sidekick-runtime --root \(bed.root)/state run --preserve-fds 1 c1
                    """
                let ran = Command.run("sh", ["-c", script], directory: bed.bundle)
                #expect(ran.output == "0\n1\n2\n3\n4\npassed\n", "4 is the listing's own: \(ran)")
            }
        }

        @Test func `Further processes join everything of the container, with what is asked for them`() throws {
            try withBed { bed in
                bed.script("sleep 100")
                bed.configuration.process?.env? += ["FROM=bundle"]
                try bed.save()
                #expect(bed.runtime("run", "--detach", "c1").status == 0)
                let pid = try bed.state().pid
                let first = bed.runtime(
                    "exec", "--cwd", "/tmp", "--env", "A=1", "--user", "1000:1001", "c1", "/bin/sh", "-c",
                    "pwd; echo $A $FROM; id -u; id -g; hostname; exit 5")
                #expect(first.status == 5 && first.output == "/tmp\n1 bundle\n1000\n1001\nsidekick\n", "\(first)")
                let places = bed.runtime(
                    "exec", "c1", "sh", "-c",
                    "for n in mnt pid net uts ipc cgroup user; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup")
                let wanted = ["mnt", "pid", "net", "uts", "ipc", "cgroup", "user"].map {
                    Command.run("readlink", ["/proc/\(pid)/ns/\($0)"]).output
                }
                #expect(places.output.hasPrefix(wanted.joined()), "\(places)")
                #expect(
                    !places.output.contains("sidekick-test"),
                    "its own group is the root of its cgroup namespace: \(places.output)")
                put(
                    #"{"args": ["sh", "-c", "echo $B; exit 3"], "cwd": "/", "env": ["PATH=/bin", "B=json"], "user": {"uid": 7, "gid": 8}}"#,
                    in: "\(bed.root)/process.json")
                let json = bed.runtime("exec", "--process", "\(bed.root)/process.json", "c1")
                #expect(json.status == 3 && json.output == "json\n", "\(json)")
                let missing = bed.runtime("exec", "c1", "nosuchprogram")
                #expect(missing.status != 0 && missing.errors.contains("No such file or directory"))
                let detached = bed.runtime("exec", "--detach", "--pid-file", "\(bed.root)/pid", "c1", "sleep", "50")
                #expect(detached.status == 0 && contents("/proc/\(contents("\(bed.root)/pid"))/comm") == "sleep\n")
                #expect(bed.runtime("exec", "--tty", "c1", "tty").output.hasPrefix("/dev/pts/"))
            }
        }
    }
}
