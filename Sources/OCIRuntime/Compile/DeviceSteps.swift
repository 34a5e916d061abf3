import Glibc
import LinuxShims

/// A device node to make: where, what, whose.
struct DeviceNode {
    var path: String
    /// Type and permission bits as in `st_mode`.
    var mode: UInt32
    var number: UInt64
    var uid: UInt32 = 0
    var gid: UInt32 = 0
}

/// How ids of a container's user namespace lie on the host.
struct UserMapping {
    var users: [IDMapping]
    var groups: [IDMapping]

    /// The overflow id for what is not mapped.
    static func host(_ id: UInt32, _ mappings: [IDMapping]) -> UInt32 {
        for mapping in mappings where id >= mapping.containerID && id - mapping.containerID < mapping.size {
            return mapping.hostID &+ (id - mapping.containerID)
        }
        return 65534
    }
}

/// Nodes and links in /dev: those of every container by the specification (config-linux.md, default devices), and the bundle's.
enum DeviceSteps {
    static let standard = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
    ].map { DeviceNode(path: "/dev/\($0.0)", mode: UInt32(S_IFCHR) | 0o666, number: number($0.1, $0.2)) }

    static let links = [
        ("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0"), ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"), ("/dev/core", "/proc/kcore"), ("/dev/ptmx", "pts/ptmx"),
    ]

    static func node(_ device: LinuxSpecification.Device) throws -> DeviceNode {
        let type: UInt32
        switch device.type {
        case "c", "u": type = UInt32(S_IFCHR)
        case "b": type = UInt32(S_IFBLK)
        case "p": type = UInt32(S_IFIFO)
        default: throw invalid("linux.devices: \(device.path) has type \(device.type); it must be one of c, b, u and p")
        }
        guard device.type == "p" || device.major != nil && device.minor != nil else {
            throw invalid("linux.devices: \(device.path) has no major or minor number")
        }
        return DeviceNode(
            path: device.path.hasPrefix("/") ? device.path : "/" + device.path, mode: type | (device.fileMode ?? 0o666) & 0o7777,
            number: number(Int(device.major ?? 0), Int(device.minor ?? 0)), uid: device.uid ?? 0, gid: device.gid ?? 0)
    }

    /// A user namespace may not make devices, so there they are made outside and mounted; pipes it may make.
    static func step(_ device: DeviceNode, _ users: UserMapping?) -> BundleStep {
        guard let users, device.mode & UInt32(S_IFMT) != UInt32(S_IFIFO) else {
            return .node(target: device.path, mode: device.mode, number: device.number, uid: device.uid, gid: device.gid)
        }
        return .hostDevice(
            target: device.path, mode: device.mode, number: device.number, uid: UserMapping.host(device.uid, users.users),
            gid: UserMapping.host(device.gid, users.groups))
    }

    /// As makedev(3).
    static func number(_ major: Int, _ minor: Int) -> UInt64 {
        let major = UInt64(truncatingIfNeeded: major), minor = UInt64(truncatingIfNeeded: minor)
        return (major & 0xfff) << 8 | (major & ~0xfff) << 32 | minor & 0xff | (minor & ~0xff) << 12
    }
}
