/// Kernel settings, which must be those of namespaces that the container has to itself.
enum Sysctl {
    private static let ipc: Set<String> = [
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ]

    static func steps(_ settings: [String: String], _ namespaces: NamespacePlan) throws -> [BundleStep] {
        try settings.sorted { $0.key < $1.key }.map { name, text in
            // Both ways of writing are in use: net.ipv4.conf.eth0/1.forwarding and net/ipv4/...; the first separator says which.
            let separator = name.first { $0 == "." || $0 == "/" } ?? "."
            let path = separator == "/" ? name : String(name.map { $0 == "." ? "/" : $0 == "/" ? "." : $0 })
            try check(path.split(separator: "/").joined(separator: "."), name, namespaces)
            guard !path.split(separator: "/").contains("..") else { throw invalid("linux.sysctl: \(name) is no setting's name") }
            return .setting(path: "/proc/sys/\(path)", text: text)
        }
    }

    private static func check(_ plain: String, _ name: String, _ namespaces: NamespacePlan) throws {
        let owner: NamespaceKind
        if ipc.contains(plain) || plain.hasPrefix("fs.mqueue.") {
            owner = .ipc
        } else if plain.hasPrefix("net.") {
            owner = .network
        } else if plain == "kernel.domainname" {
            owner = .uts
        } else if plain == "kernel.hostname" {
            throw invalid("linux.sysctl: kernel.hostname is set by hostname")
        } else {
            throw invalid("linux.sysctl: \(name) belongs to the whole host, not to a namespace")
        }
        guard namespaces.has(owner) else {
            throw invalid(
                "linux.sysctl: \(name) would change the host, since the container has no \(owner.rawValue) namespace of its own")
        }
    }
}
