import ContainerCore
import Glibc
import LinuxShims

/// Kinds of namespaces with the kernel's clone flags.
enum NamespaceKind: String, CaseIterable {
    case mount, cgroup, uts, ipc, user, pid, network, time

    var flag: UInt64 {
        switch self {
        case .mount: 0x2_0000
        case .cgroup: 0x200_0000
        case .uts: 0x400_0000
        case .ipc: 0x800_0000
        case .user: 0x1000_0000
        case .pid: 0x2000_0000
        case .network: 0x4000_0000
        case .time: 0x80
        }
    }

    /// Its name below /proc/PID/ns.
    var file: String {
        switch self {
        case .mount: "mnt"
        case .network: "net"
        default: rawValue
        }
    }
}

/// Which namespaces a container gets new, which it joins; it shares all others with the runtime.
struct NamespacePlan {
    private(set) var new: [NamespaceKind] = []
    private(set) var joined: [(kind: NamespaceKind, path: String)] = []

    init(_ namespaces: [LinuxSpecification.Namespace]) throws {
        for namespace in namespaces {
            guard let kind = NamespaceKind(rawValue: namespace.type) else {
                let known = NamespaceKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw invalid("linux.namespaces: type \(namespace.type) does not exist; there are \(known)")
            }
            guard !makes(kind), !joins(kind) else { throw invalid("linux.namespaces: \(kind.rawValue) is named twice") }
            guard let path = namespace.path, !path.isEmpty else {
                new.append(kind)
                continue
            }
            guard path.hasPrefix("/") else {
                throw invalid("linux.namespaces: path \(path) of \(kind.rawValue) must be absolute")
            }
            joined.append((kind, path))
        }
        // Who has joined the user namespace may no longer join what the host owns.
        joined.sort { $0.kind != .user && $1.kind == .user }
    }

    /// Those of a running process that are not ours.
    init(ofProcess pid: Int32) throws {
        for kind in NamespaceKind.allCases {
            let path = "/proc/\(pid)/ns/\(kind.file)"
            guard let theirs = Self.identity(path), let ours = Self.identity("/proc/self/ns/\(kind.file)"), theirs != ours else {
                continue
            }
            joined.append((kind, path))
        }
        joined.sort { $0.kind != .user && $1.kind == .user }
    }

    private static func identity(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 128)
        let count = readlink(path, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    func makes(_ kind: NamespaceKind) -> Bool { new.contains(kind) }
    func joins(_ kind: NamespaceKind) -> Bool { joined.contains { $0.kind == kind } }
    /// Whether it is another than the runtime's own.
    func has(_ kind: NamespaceKind) -> Bool { makes(kind) || joins(kind) }

    var newFlags: UInt64 { new.reduce(0) { $0 | $1.flag } }

    /// Descriptors of the namespaces to join, in order, each of which must be of its kind.
    func open() throws -> [Descriptor] {
        try joined.map { kind, path in
            let number = Glibc.open(path, O_RDONLY | O_CLOEXEC)
            return try Descriptor(number < 0 ? -errno : number, "open the \(kind.rawValue) namespace \(path)")
        }
    }

    /// Lines of uid_map and gid_map (user_namespaces(7)).
    static func map(_ mappings: [IDMapping]) -> String {
        mappings.map { "\($0.containerID) \($0.hostID) \($0.size)\n" }.joined()
    }
}
