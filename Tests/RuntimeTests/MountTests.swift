import FoundationEssentials
import Glibc
import OCIRuntime
import Testing

extension BundleTests {
    @Suite(.serialized) struct MountTests {
        /// The line of a mount point in the container's mountinfo.
        private func options(_ bed: RuntimeBed, _ place: String) throws -> String {
            let ran = try bed.run("grep ' \(place) ' /proc/self/mountinfo")
            #expect(ran.status == 0, "\(ran.errors)")
            return ran.output
        }

        @Test func `Options of a mount become attributes of the mount or go to the file system`() throws {
            try withBed { bed in
                let plain = bed.configuration
                for (given, wanted) in [
                    (["ro", "nosuid"], ["ro,nosuid,relatime"]), (["noexec", "nodev", "noatime"], ["nodev,noexec,noatime"]),
                    (["strictatime"], ["rw -"]), (["nodiratime"], ["nodiratime"]),
                    (["size=64k", "mode=700"], ["size=64k", "mode=700"]),
                    (["nosymfollow", "noexec", "exec"], ["nosymfollow"]),
                ] {
                    bed.configuration = plain
                    let text = String(decoding: try JSONEncoder().encode(given), as: UTF8.self)
                    try bed.add(
                        #"{"destination": "/mnt/a", "type": "tmpfs", "source": "tmpfs", "options": \#(text)}"#, to: \.mounts)
                    bed.configuration.root?.readonly = false
                    let line = try options(bed, "/mnt/a")
                    for part in wanted { #expect(line.contains(part), "\(given): \(line)") }
                    #expect(!given.contains("exec") || !line.contains("noexec"), "\(line)")
                }
            }
        }

        @Test
        func `Binds show files and directories of the host, below and read-only as wanted, relative sources from the bundle`()
            throws
        {
            try withBed { bed in
                for path in ["source", "source/below"] { mkdir("\(bed.bundle)/\(path)", 0o755) }
                put("text\n", in: "\(bed.bundle)/source/file")
                try #require(Command.run("mount", ["-t", "tmpfs", "below", "\(bed.bundle)/source/below"]).status == 0)
                defer { umount2("\(bed.bundle)/source/below", Int32(MNT_DETACH)) }
                put("deep\n", in: "\(bed.bundle)/source/below/deep")
                bed.configuration.root?.readonly = false
                try bed.add(#"{"destination": "/mnt/plain", "source": "source", "options": ["bind", "ro"]}"#, to: \.mounts)
                try bed.add(
                    #"{"destination": "/mnt/deep", "source": "\#(bed.bundle)/source", "options": ["rbind", "ro"]}"#, to: \.mounts)
                try bed.add(#"{"destination": "/mnt/all", "source": "source", "options": ["rbind", "rro"]}"#, to: \.mounts)
                try bed.add(#"{"destination": "/mnt/file", "source": "source/file", "options": ["bind"]}"#, to: \.mounts)
                let ran = try bed.run(
                    """
                    cat /mnt/plain/file; ls /mnt/plain/below; cat /mnt/deep/below/deep; cat /mnt/file
                    echo x > /mnt/plain/file || echo refused
                    echo x > /mnt/deep/below/deep && echo written
                    echo x > /mnt/all/below/deep || echo refused
                    """)
                #expect(ran.output == "text\ndeep\ntext\nrefused\nwritten\nrefused\n", "\(ran)")
            }
        }

        @Test func `Propagation is private unless wanted: slave shows what the host mounts, shared works both ways`() throws {
            try withBed { bed in
                let source = "\(bed.root)/spread"
                mkdir(source, 0o755)
                try #require(Command.run("mount", ["-t", "tmpfs", "spread", source]).status == 0)
                try #require(Command.run("mount", ["--make-shared", source]).status == 0)
                defer { umount2(source, Int32(MNT_DETACH)) }
                for path in ["p", "s", "r", "h"] { mkdir("\(source)/\(path)", 0o755) }
                bed.configuration.root?.readonly = false
                bed.configuration.process?.capabilities = try bed.part(
                    #"{"bounding": ["CAP_SYS_ADMIN"], "effective": ["CAP_SYS_ADMIN"], "permitted": ["CAP_SYS_ADMIN"]}"#)
                for (place, spread) in [
                    ("private", "rprivate"), ("slave", "rslave"), ("shared", "rshared"), ("none", "unbindable"),
                ] {
                    try bed.add(
                        #"{"destination": "/mnt/\#(place)", "source": "\#(source)", "options": ["rbind", "\#(spread)"]}"#,
                        to: \.mounts)
                }
                bed.script("mount -t tmpfs inside /mnt/shared/r; mount -t tmpfs hidden /mnt/slave/h; touch /tmp/ready; sleep 100")
                try bed.save()
                #expect(bed.runtime("run", "--detach", "c1").status == 0)
                for _ in 0..<200 where access("\(bed.bundle)/rootfs/tmp/ready", F_OK) != 0 { usleep(20_000) }
                #expect(
                    contents("/proc/self/mountinfo").contains(" \(source)/r "), "shared: what is mounted inside shows outside")
                #expect(!contents("/proc/self/mountinfo").contains(" \(source)/h "), "slave: it does not")
                try #require(Command.run("mount", ["-t", "tmpfs", "outside", "\(source)/s"]).status == 0)
                let inside = try contents("/proc/\(bed.state().pid)/mountinfo")
                #expect(
                    inside.contains(" /mnt/slave/s ") && inside.contains(" /mnt/shared/s ")
                        && !inside.contains(" /mnt/private/s "), "\(inside)")
                #expect(inside.split(separator: "\n").first { $0.contains(" /mnt/none ") }?.contains("unbindable") == true)
            }
        }

        @Test func `The root's own propagation is as wanted in the end`() throws {
            try withBed { bed in
                let plain = bed.configuration
                for (given, wanted) in [("", " - "), ("private", " - "), ("shared", "shared:"), ("unbindable", "unbindable")] {
                    bed.configuration = plain
                    bed.configuration.linux?.rootfsPropagation = given
                    let line = try options(bed, "/")
                    #expect(line.contains(wanted) && (wanted != " - " || !line.contains("shared")), "\(given): \(line)")
                }
                #expect(!contents("/proc/self/mountinfo").contains(bed.bundle), "nothing shows on the host")
            }
        }

        @Test func `Masked and read-only paths cannot be read and written, and a read-only root not at all`() throws {
            try withBed { bed in
                mkdir("\(bed.bundle)/rootfs/secret", 0o755)
                put("x", in: "\(bed.bundle)/rootfs/secret/file")
                put("hidden\n", in: "\(bed.bundle)/rootfs/etc/hidden")
                bed.configuration.linux?.maskedPaths? += ["/secret", "/etc/hidden", "/not/there"]
                bed.configuration.linux?.readonlyPaths? += ["/tmp", "/not/there"]
                bed.configuration.root?.readonly = false
                let ran = try bed.run(
                    """
                    ls /secret; cat /etc/hidden; cat /proc/kcore; echo x > /tmp/x || echo refused; echo x > /etc/x && echo written
                    echo 1 > /proc/sys/kernel/printk || echo refused; touch /secret/x || echo refused
                    """)
                #expect(ran.output == "refused\nwritten\nrefused\nrefused\n", "\(ran)")
                bed.configuration.root?.readonly = true
                try #expect(bed.run("echo x > /etc/x || echo refused").output == "refused\n")
            }
        }

        @Test func `A tmpfs can begin with what it covers, and keeps its mode`() throws {
            try withBed { bed in
                for path in ["data", "data/below"] { mkdir("\(bed.bundle)/rootfs/\(path)", 0o750) }
                put("copied\n", in: "\(bed.bundle)/rootfs/data/below/file", mode: 0o644)
                symlink("below/file", "\(bed.bundle)/rootfs/data/link")
                chown("\(bed.bundle)/rootfs/data/below/file", 7, 8)
                try bed.add(
                    #"{"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}"#, to: \.mounts)
                let ran = try bed.run("cat /data/link; stat -c '%a %u %g' /data/below/file /data")
                #expect(ran.output == "copied\n644 7 8\n750 0 0\n", "\(ran)")
            }
        }

        @Test func `Links of an image lead no mount out of its root`() throws {
            try withBed { bed in
                let outside = "\(bed.root)/outside"
                mkdir(outside, 0o755)
                symlink(outside, "\(bed.bundle)/rootfs/out")
                symlink("../../../../../../../..\(outside)", "\(bed.bundle)/rootfs/up")
                bed.configuration.root?.readonly = false
                try bed.add(#"{"destination": "/out/a", "type": "tmpfs", "source": "tmpfs"}"#, to: \.mounts)
                try bed.add(#"{"destination": "/up/b", "type": "tmpfs", "source": "tmpfs"}"#, to: \.mounts)
                _ = try bed.run("true")
                #expect(access("\(outside)/a", F_OK) != 0 && access("\(outside)/b", F_OK) != 0)
            }
        }

        @Test func `Devices are there with their numbers, modes and owners, and only those allowed open`() throws {
            try withBed { bed in
                bed.configuration.linux?.devices = try bed.part(
                    """
                    [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 416, "uid": 0, "gid": 6},
                     {"path": "/dev/pipe", "type": "p", "fileMode": 384}, {"path": "/dev/mem2", "type": "c", "major": 1, "minor": 1}]
                    """)
                let ran = try bed.run(
                    """
                    stat -c '%F %t:%T %a %u:%g' /dev/mine /dev/pipe /dev/null /dev/urandom; head -c 2 /dev/mine | wc -c
                    head -c 1 /dev/mem2 > /dev/null || echo refused; readlink /dev/fd; readlink /dev/ptmx; ls /dev/console 2>&1 | head -c 2
                    """)
                #expect(
                    ran.output.hasPrefix(
                        """
                        character special file 1:5 640 0:6
                        fifo 0:0 600 0:0
                        character special file 1:3 666 0:0
                        character special file 1:9 666 0:0
                        """), "\(ran)")
                #expect(ran.output.contains("refused\n/proc/self/fd\npts/ptmx\nls"), "\(ran)")
            }
        }

        @Test func `Mounts are mapped by ids of their own`() throws {
            try withBed { bed in
                mkdir("\(bed.bundle)/mapped", 0o755)
                put("x", in: "\(bed.bundle)/mapped/file")
                bed.configuration.root?.readonly = false
                try bed.add(
                    """
                    {"destination": "/mnt/mapped", "source": "mapped", "options": ["bind"],
                     "uidMappings": [{"containerID": 0, "hostID": 4000, "size": 10}], "gidMappings": [{"containerID": 0, "hostID": 5000, "size": 10}]}
                    """, to: \.mounts)
                let ran = try bed.run("stat -c '%u:%g' /mnt/mapped/file")
                #expect(ran.output == "4000:5000\n", "\(ran)")
            }
        }
    }
}
