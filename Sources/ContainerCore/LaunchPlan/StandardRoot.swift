/// What every container finds in its root besides its image: the mounts, devices and links of the OCI runtime specification's
/// config-linux.md, and Docker's masked and read-only paths (moby/moby oci/defaults.go).
enum StandardRoot {
    /// Made ahead, on a scratch root: what no image and no configuration changes. Masks come after every mount, so that none uncovers
    /// what is hidden.
    static func scaffold(userNamespace: Bool) -> [PlanStep] {
        var steps: [PlanStep] = [
            .mount(type: "proc", target: "/proc", options: [], .inert),
            .mount(
                type: "tmpfs", target: "/dev", options: [("mode", "755"), ("size", "65536k")],
                [.noSetUserID, .noExecution]),
        ]
        for device in devices {
            // A user namespace may not make nodes, and needs none of its own: the host's are the same devices.
            steps.append(
                userNamespace
                    ? .device(source: "/dev/\(device.name)", target: "/dev/\(device.name)", number: device.number)
                    : .node(target: "/dev/\(device.name)", number: device.number))
        }
        steps += links.map { PlanStep.link(target: $0, to: $1) }
        steps += [
            .mount(
                type: "devpts", target: "/dev/pts", options: [("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")],
                [.noSetUserID, .noExecution]),
            .mount(type: "tmpfs", target: "/dev/shm", options: [("mode", "1777"), ("size", "65536k")], .inert),
            .mount(type: "mqueue", target: "/dev/mqueue", options: [], .inert),
            .mount(type: "sysfs", target: "/sys", options: [], [.readOnly, .noSetUserID, .noDevices, .noExecution]),
        ]
        return steps + networkSettings + masked.map { .mask($0) } + readOnly.map { .readOnly($0) }
    }

    /// Puts the scaffold's mounts into the container's root.
    static let moves: [PlanStep] = [.move("/proc"), .move("/dev"), .move("/sys")]

    /// The container's own control groups, read-only: programs size themselves by these.
    static func steps(cgroups: CgroupView) -> [PlanStep] {
        var steps: [PlanStep] = [.cgroups]
        let place = "/sys/fs/cgroup"
        switch cgroups {
        case .unified:
            steps.append(
                .mount(type: "cgroup2", target: place, options: [], [.readOnly, .noSetUserID, .noDevices, .noExecution]))
        case .hierarchies(let names):
            steps.append(.mount(type: "tmpfs", target: place, options: [("mode", "755"), ("size", "64k")], .inert))
            for name in names {
                let controllers = name.split(separator: ",").map { (String($0), "") }
                steps.append(.mount(type: "cgroup", target: "\(place)/\(name)", options: controllers, .inert))
            }
            steps.append(.readOnly(place))
        }
        return steps
    }

    /// As in Docker: any user may listen on any port and ping, since the network namespace is the container's own.
    private static let networkSettings: [PlanStep] = [
        .write("0", to: "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
        .write("0 65535", to: "/proc/sys/net/ipv4/ping_group_range"),
    ]

    private static let devices: [(name: String, number: UInt64)] = [
        ("null", 1 << 8 | 3), ("zero", 1 << 8 | 5), ("full", 1 << 8 | 7), ("random", 1 << 8 | 8), ("urandom", 1 << 8 | 9),
        ("tty", 5 << 8 | 0),
    ]

    private static let links = [
        ("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0"), ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"), ("/dev/core", "/proc/kcore"), ("/dev/ptmx", "pts/ptmx"),
    ]

    private static let masked = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]

    private static let readOnly = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
}

/// The host's control groups as a container sees its own.
enum CgroupView: Hashable, Sendable {
    case unified
    /// Names of v1 hierarchies, which are their controllers with commas between.
    case hierarchies([String])

    /// Those in which programs look for their limits.
    private static let wanted: Set<String> = ["cpu", "cpuacct", "cpuset", "memory", "pids"]

    /// From how a process enters a group `parent/NAME`.
    init(_ entry: CgroupEntry) {
        switch entry {
        case .clone: self = .unified
        case .write(let files):
            // The hierarchy, the engine's parent, the group, `cgroup.procs`.
            let names = files.compactMap { $0.split(separator: "/").dropLast(3).last.map(String.init) }
            self = .hierarchies(
                names.filter { name in name.split(separator: ",").allSatisfy { Self.wanted.contains(String($0)) } })
        }
    }
}
