/// Where this process sees control groups mounted.
package struct CgroupMounts: Hashable, Sendable {
    /// Mount point of each v1 controller.
    package var controllers: [String: String] = [:]
    /// Mount point of the v2 hierarchy, on a hybrid host beside v1.
    package var unified: String?

    /// Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)): `ID PARENT MAJ:MIN ROOT POINT OPTIONS TAGS... - TYPE SOURCE SUPER-OPTIONS`.
    /// Of several mounts of one hierarchy the first counts.
    package init(mountInformation: String) {
        for line in mountInformation.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { continue }
            let point = Self.unescape(fields[4])
            switch fields[dash + 1] {
            case "cgroup2":
                unified = unified ?? point
            case "cgroup":
                for option in fields[dash + 3].split(separator: ",") where Self.known.contains(String(option)) {
                    controllers[String(option)] = controllers[String(option)] ?? point
                }
            default: continue
            }
        }
    }

    private static let known: Set<String> = [
        "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio", "perf_event",
        "pids",
    ]

    /// The kernel writes space, tab, newline and backslash as three octal digits.
    private static func unescape(_ field: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        let source = Array(field.utf8)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "\\"), index + 3 < source.count,
                let byte = UInt8(String(decoding: source[(index + 1)...(index + 3)], as: UTF8.self), radix: 8)
            {
                bytes.append(byte)
                index += 4
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
