import LinuxShims

/// Resource limits by name; a limit's number is the kernel's (include/uapi/asm-generic/resource.h).
package enum ResourceName {
    package static let numbers: [String: UInt32] = [
        "cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "memlock": 8, "as": 9,
        "locks": 10,
        "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
    ]

    static func records(_ limits: [String: ResourceLimit]) throws(ContainerError) -> [sk_limit] {
        var records: [sk_limit] = []
        for (name, limit) in limits.sorted(by: { $0.key < $1.key }) {
            guard let number = numbers[name] else {
                throw ContainerError(
                    .invalidConfiguration,
                    "resource limit \(name) does not exist; there are \(numbers.keys.sorted().joined(separator: ", "))")
            }
            guard limit.soft <= limit.hard else {
                throw ContainerError(
                    .invalidConfiguration, "resource limit \(name): soft \(limit.soft) is above hard \(limit.hard)")
            }
            records.append(sk_limit(resource: number, unused: 0, soft: limit.soft, hard: limit.hard))
        }
        return records
    }
}

/// Kernel settings that belong to a container's own namespaces (ipc, uts, net), as runc allows them.
package enum KernelSetting {
    private static let ipc: Set<String> = [
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ]

    static func isNamespaced(_ name: String) -> Bool {
        let isPlain =
            name.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "/") } && !name.split(separator: ".").contains { $0.isEmpty }
        return isPlain && !name.contains("..") && (ipc.contains(name) || name.hasPrefix("fs.mqueue.") || name.hasPrefix("net."))
    }

    package static func path(_ name: String) -> String { "/proc/sys/" + name.split(separator: ".").joined(separator: "/") }
}
