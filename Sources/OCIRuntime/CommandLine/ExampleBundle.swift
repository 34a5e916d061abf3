import ContainerCore
import FoundationEssentials
import Glibc

/// The configuration that `spec` writes for a start: a shell with what Docker gives containers.
enum ExampleBundle {
    static func write(to directory: String, rootless: Bool) throws {
        let file = "\(directory)/config.json"
        guard access(file, F_OK) != 0 else { throw ContainerError(.alreadyExists, "\(file) exists already; remove it first") }
        var configuration = try decode(BundleConfiguration.self, from: Data(text.utf8), named: "the example")
        if rootless {
            configuration.linux?.namespaces?.removeAll { $0.type == "network" }
            configuration.linux?.namespaces?.append(LinuxSpecification.Namespace(type: "user"))
            configuration.linux?.uidMappings = [IDMapping(containerID: 0, hostID: geteuid(), size: 1)]
            configuration.linux?.gidMappings = [IDMapping(containerID: 0, hostID: getegid(), size: 1)]
            configuration.mounts?.removeAll { $0.destination == "/sys/fs/cgroup" }
            configuration.mounts = configuration.mounts?.map { mount in
                var mount = mount
                mount.options?.removeAll { $0.hasPrefix("gid=") }
                guard mount.destination == "/sys" else { return mount }
                mount.type = "none"
                mount.source = "/sys"
                mount.options = ["rbind", "nosuid", "noexec", "nodev", "ro"]
                return mount
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do { try encoder.encode(configuration).write(to: URL(filePath: file)) } catch {
            throw ContainerError(.kernelRefused, "cannot write \(file)", cause: "\(error)")
        }
    }

    private static let text = """
        {"ociVersion": "1.0.2", "root": {"path": "rootfs", "readonly": true}, "hostname": "sidekick",
         "process": {"terminal": true, "user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/", "noNewPrivileges": true,
          "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
          "capabilities": {"bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
           "effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
           "permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]},
          "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}]},
         "mounts": [
          {"destination": "/proc", "type": "proc", "source": "proc"},
          {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
          {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
           "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
          {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
           "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
          {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
          {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
          {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
           "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}],
         "linux": {"resources": {"devices": [{"allow": false, "access": "rwm"}]},
          "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "cgroup"}, {"type": "mount"}],
          "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
           "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
          "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}}
        """
}
