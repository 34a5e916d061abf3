/// What every container finds in its root besides its image: the mounts, devices and links of the OCI runtime specification's
/// config-linux.md, and Docker's masked and read-only paths (moby/moby oci/defaults.go).
enum StandardRoot {
    static func steps(userNamespace: Bool, unifiedCgroups: Bool) -> [PlanStep] {
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
            .cgroups,
        ]
        if unifiedCgroups {
            steps.append(
                .mount(
                    type: "cgroup2", target: "/sys/fs/cgroup", options: [], [.readOnly, .noSetUserID, .noDevices, .noExecution]))
        }
        return steps
    }

    /// As in Docker: any user may listen on any port and ping, since the network namespace is the container's own.
    static let networkSettings: [PlanStep] = [
        .write("0", to: "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
        .write("0 65535", to: "/proc/sys/net/ipv4/ping_group_range"),
    ]

    static let protection: [PlanStep] = masked.map { .mask($0) } + readOnly.map { .readOnly($0) }

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
