import Glibc
import OCIRuntime
import Testing

extension BundleTests {
    @Suite(.serialized) struct NamespaceTests {
        @Test func `Namespaces are new, joined by path, or the host's when not named`() throws {
            try withBed { bed in
                bed.script("sleep 100")
                try bed.save()
                #expect(bed.runtime("run", "--detach", "c1").status == 0)
                let first = try bed.state().pid
                let kinds = [
                    ("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("mount", "mnt"), ("cgroup", "cgroup"),
                ]
                for (_, file) in kinds {
                    #expect(
                        Command.run("readlink", ["/proc/\(first)/ns/\(file)"]).output
                            != Command.run("readlink", ["/proc/self/ns/\(file)"]).output)
                }
                bed.configuration.hostname = nil
                bed.configuration.linux?.namespaces = try bed.part(
                    #"[{"type": "mount"}, {"type": "network", "path": "/proc/\#(first)/ns/net"}, {"type": "pid", "path": "/proc/\#(first)/ns/pid"}]"#
                )
                try bed.save()
                let second = bed.runtime("run", "--detach", "c2")
                #expect(second.status == 0, "\(second.errors)")
                let pid = try bed.state("c2").pid
                for file in ["net", "pid"] {
                    #expect(
                        Command.run("readlink", ["/proc/\(pid)/ns/\(file)"]).output
                            == Command.run("readlink", ["/proc/\(first)/ns/\(file)"]).output)
                }
                for file in ["ipc", "uts", "cgroup", "user"] {
                    #expect(
                        Command.run("readlink", ["/proc/\(pid)/ns/\(file)"]).output
                            == Command.run("readlink", ["/proc/self/ns/\(file)"]).output)
                }
                #expect(bed.runtime("kill", "c2", "KILL").status == 0)
                bed.configuration.linux?.namespaces = try bed.part(
                    #"[{"type": "mount"}, {"type": "network", "path": "/proc/\#(first)/ns/uts"}]"#)
                try #expect(bed.create("c3").status == 1, "a namespace of another kind is refused")
            }
        }

        @Test func `A user namespace maps ids as told, and devices and mounts work in it`() throws {
            try withBed { bed in
                bed.configuration.linux?.namespaces? += [try bed.part(#"{"type": "user"}"#)]
                bed.configuration.linux?.uidMappings = try bed.part(#"[{"containerID": 0, "hostID": 200000, "size": 1000}]"#)
                bed.configuration.linux?.gidMappings = try bed.part(#"[{"containerID": 0, "hostID": 300000, "size": 1000}]"#)
                bed.configuration.mounts = bed.configuration.mounts?.filter { $0.destination != "/sys/fs/cgroup" }
                try #require(Command.run("chown", ["-R", "200000:300000", "\(bed.bundle)/rootfs"]).status == 0)
                let ran = try bed.run(
                    "cat /proc/self/uid_map /proc/self/gid_map | grep -c 1000; id -u; stat -c '%t:%T' /dev/null; echo x > /dev/null && echo opened; stat -c %u /bin/busybox"
                )
                #expect(ran.output == "2\n0\n1:3\nopened\n0\n", "\(ran)")
            }
        }

        @Test func `Host name, domain name, kernel settings and personality are the container's own`() throws {
            try withBed { bed in
                let before = contents("/proc/sys/net/ipv4/ip_forward") + contents("/proc/sys/kernel/hostname")
                bed.configuration.hostname = "inside"
                bed.configuration.domainname = "example.test"
                bed.configuration.linux?.sysctl = [
                    "net.ipv4.ip_forward": "1", "kernel.msgmax": "4242", "net/core/somaxconn": "77",
                ]
                let ran = try bed.run(
                    "hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/net/core/somaxconn"
                )
                #expect(ran.output == "inside\nexample.test\n1\n4242\n77\n", "\(ran)")
                #expect(contents("/proc/sys/net/ipv4/ip_forward") + contents("/proc/sys/kernel/hostname") == before)
            }
        }

        @Test func `Limits are set in the container's group, changed by update, and gone with it`() throws {
            try withBed { bed in
                bed.configuration.linux?.resources = try bed.part(
                    """
                    {"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": 67108864}, "pids": {"limit": 77},
                     "cpu": {"quota": 50000, "period": 100000, "shares": 512}}
                    """)
                bed.script("sleep 100")
                try bed.save()
                #expect(bed.runtime("run", "--detach", "c1").status == 0)
                func read(_ names: [String]) -> [String] {
                    names.map { name in
                        let controller = name.split(separator: "/").first.map(String.init) ?? ""
                        let file = name.split(separator: "/").last.map(String.init) ?? ""
                        for root in ["/sys/fs/cgroup/\(controller)", "/sys/fs/cgroup"] {
                            let text = contents("\(root)/sidekick-test-\(bed.name)/\(file)")
                            if !text.isEmpty { return String(text.dropLast()) }
                        }
                        return ""
                    }
                }
                let isUnified = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0
                let names =
                    isUnified
                    ? ["memory/memory.max", "pids/pids.max", "cpu/cpu.max", "cpu/cpu.weight"]
                    : ["memory/memory.limit_in_bytes", "pids/pids.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.shares"]
                #expect(
                    read(names) == (isUnified ? ["67108864", "77", "50000 100000", "20"] : ["67108864", "77", "50000", "512"]))
                let updated = bed.runtime("update", "--memory", "134217728", "--pids-limit", "88", "--cpu-quota", "20000", "c1")
                #expect(updated.status == 0, "\(updated.errors)")
                #expect(
                    Array(read(names).prefix(3))
                        == (isUnified ? ["134217728", "88", "20000 100000"] : ["134217728", "88", "20000"]))
                let json = bed.runtime("update", "--resources", "-", "c1", input: #"{"pids": {"limit": 99}}"#)
                #expect(json.status == 0 && read(["pids/pids.max"]) == ["99"], "\(json)")
                if !isUnified {
                    #expect(
                        bed.runtime("update", "--resources", "-", "c1", input: #"{"unified": {"memory.high": "1"}}"#).status == 1)
                }
                #expect(bed.runtime("delete", "--force", "c1").status == 0)
                #expect(read(["pids/pids.max"]) == [""])
            }
        }

        @Test func `Without namespaces a container shares the host's, and leaves none of its mounts there`() throws {
            try withBed { bed in
                bed.configuration.linux?.namespaces = []
                bed.configuration.hostname = nil
                bed.configuration.mounts = bed.configuration.mounts?.filter { ["/proc", "/dev"].contains($0.destination) }
                bed.configuration.linux?.maskedPaths = nil
                bed.configuration.linux?.readonlyPaths = nil
                bed.script("sleep 100")
                try bed.save()
                let ran = bed.runtime("run", "--detach", "c1")
                #expect(ran.status == 0, "\(ran.errors)")
                let pid = try bed.state().pid
                for file in ["mnt", "pid", "net"] {
                    #expect(
                        Command.run("readlink", ["/proc/\(pid)/ns/\(file)"]).output
                            == Command.run("readlink", ["/proc/self/ns/\(file)"]).output)
                }
                #expect(bed.runtime("kill", "c1", "KILL").status == 0)
                try bed.wait(for: .stopped)
                #expect(bed.runtime("delete", "c1").status == 0)
            }
        }

        @Test func `The features document and the versions name what there is`() throws {
            try withBed { bed in
                let features = bed.runtime("features").output
                for part in ["\"ociVersionMin\"", "CAP_CHOWN", "SCMP_ACT_ERRNO", "\"cgroup\"", "createRuntime", "rro"] {
                    #expect(features.contains(part), "\(part)")
                }
                #expect(bed.runtime("--version").output.contains("spec: 1."))
                #expect(bed.runtime("nosuchcommand").status == 1)
                #expect(bed.runtime("state", "--nosuchoption", "x").errors.contains("unknown option"))
            }
        }
    }
}
