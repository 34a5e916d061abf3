/// How ready a replica is, in rising order. The first three are *offline*; together they are the standby ladder.
package enum Rung: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    /// The image is unpacked on the host.
    case staged
    /// Namespaces, root file system, cgroup and network are made; the process is held before its program's first instruction.
    case prepared
    /// Started and healthy, then frozen.
    case frozen
    /// Running and able to serve.
    case online

    private var order: Int {
        switch self {
        case .staged: 0
        case .prepared: 1
        case .frozen: 2
        case .online: 3
        }
    }

    package static func < (a: Rung, b: Rung) -> Bool { a.order < b.order }
}
