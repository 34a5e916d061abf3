import FoundationEssentials
import Glibc
import LinuxShims

/// The durable half of an engine: `STATE/containers/ID/` with `record` (once prepared), `upper`, `work`, `log`, `exit`.
struct StateDirectory: Sendable {
    let path: String
    let containers: Descriptor
    /// What removed containers leave until it is deleted, which takes its time.
    private let trash: Descriptor

    init(_ path: String) throws(ContainerError) {
        self.path = path
        try makeDirectories("\(path)/containers")
        try makeDirectories("\(path)/trash")
        try Self.makeSkeleton("\(path)/skeleton")
        containers = try Descriptor.directory("\(path)/containers")
        sk_spread_directories(containers.number)
        trash = try Descriptor.directory("\(path)/trash")
    }

    /// A layer below every image's, with the places on which every container has something mounted: without it they were made in each
    /// container's own layer.
    var skeleton: String { "\(path)/skeleton" }

    private static func makeSkeleton(_ path: String) throws(ContainerError) {
        for directory in ["", "/dev", "/proc", "/sys", "/etc"] {
            guard mkdir(path + directory, 0o755) == 0 || errno == EEXIST else {
                throw ContainerError(.kernelRefused, "cannot make directory \(path)\(directory)", cause: systemText(errno))
            }
            chmod(path + directory, 0o755)
        }
        for file in EtcFiles.paths {
            let number = open(path + file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
            _ = try Descriptor(number < 0 ? -errno : number, "make \(path)\(file)")
        }
    }

    func directory(of id: String) -> String { "\(path)/containers/\(id)" }

    /// Makes the directory of a new container, and what its guard needs in it.
    func make(_ id: String) throws(ContainerError) -> Descriptor {
        try make(id, 0o710)
        for part in [LaunchPlan.upper, LaunchPlan.work] { try make("\(id)/\(part)", 0o755) }
        // Room for the exit record, so that a disk full by then cannot refuse it.
        try write([UInt8](repeating: 0, count: MemoryLayout<sk_message>.size), to: "\(id)/exit", mode: 0o640)
        return try Descriptor.directory(directory(of: id))
    }

    private func make(_ name: String, _ mode: mode_t) throws(ContainerError) {
        guard mkdirat(containers.number, name, mode) == 0 else {
            throw ContainerError(.kernelRefused, "cannot make directory \(path)/containers/\(name)", cause: systemText(errno))
        }
        // Whatever the caller's umask.
        fchmodat(containers.number, name, mode, 0)
    }

    func write(_ bytes: [UInt8], to name: String, mode: mode_t) throws(ContainerError) {
        let file = openat(containers.number, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        let descriptor = try Descriptor(file < 0 ? -errno : file, "make \(path)/containers/\(name)")
        fchmod(descriptor.number, mode)
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor.number, $0.baseAddress, $0.count) }
        guard written == bytes.count else {
            throw ContainerError(
                .kernelRefused, "cannot write \(path)/containers/\(name)", cause: written < 0 ? systemText(errno) : "short write")
        }
    }

    func read(_ name: String) -> [UInt8]? {
        let file = openat(containers.number, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard let descriptor = try? Descriptor(file < 0 ? -errno : file, "open \(name)") else { return nil }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16384)
        while true {
            let got = Glibc.read(descriptor.number, &piece, piece.count)
            if got < 0 { return nil }
            if got == 0 { return bytes }
            bytes.append(contentsOf: piece.prefix(got))
        }
    }

    /// Makes the container known to later engines: until then it is a leftover.
    func save(_ record: ContainerRecord) throws(ContainerError) {
        let id = record.configuration.id
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let bytes = try? encoder.encode(record) else {
            throw ContainerError(.invalidConfiguration, "cannot write the record of container \(id): it is no JSON")
        }
        try write([UInt8](bytes), to: "\(id)/record.new", mode: 0o640)
        guard renameat(containers.number, "\(id)/record.new", containers.number, "\(id)/record") == 0 else {
            throw ContainerError(.kernelRefused, "cannot keep the record of container \(id)", cause: systemText(errno))
        }
    }

    func record(of id: String) -> ContainerRecord? {
        read("\(id)/record").flatMap { try? JSONDecoder().decode(ContainerRecord.self, from: Data($0)) }
    }

    /// What the guard wrote at the container's end; nil while there is no whole record.
    func exit(of id: String) -> ContainerExit? {
        guard let bytes = read("\(id)/exit"), bytes.count == MemoryLayout<sk_message>.size else { return nil }
        let message = bytes.withUnsafeBytes { $0.loadUnaligned(as: sk_message.self) }
        guard Int(message.kind) == SK_TELL_EXITED, message.version == SK_PLAN_VERSION else { return nil }
        return message.exit
    }

    /// The end of a container whose guard could not tell it.
    func save(_ exit: ContainerExit, of id: String) throws(ContainerError) {
        var message = sk_message()
        message.kind = UInt32(SK_TELL_EXITED)
        message.version = SK_PLAN_VERSION
        message.state = UInt32(SK_STATE_EXITED)
        message.code = exit.code
        message.signal = exit.signal ?? 0
        try write(withUnsafeBytes(of: message) { [UInt8]($0) }, to: "\(id)/exit", mode: 0o640)
    }

    /// Takes the container's directory away; gives the name under which `empty` finds it, nil when there was none.
    func remove(_ id: String) throws(ContainerError) -> String? {
        let name = "\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
        if renameat(containers.number, id, trash.number, name) == 0 { return name }
        if errno == ENOENT { return nil }
        throw ContainerError(.kernelRefused, "cannot remove \(directory(of: id))", cause: systemText(errno))
    }

    /// Deletes what `remove` took away, or everything in the trash.
    func empty(_ name: String? = nil) {
        for name in name.map({ [$0] }) ?? names(in: "\(path)/trash") { _ = sk_remove_tree(trash.number, name) }
    }

    func ids() -> [String] { names(in: "\(path)/containers") }
}

/// What one container is to later engines.
struct ContainerRecord: Codable, Sendable {
    var configuration: ContainerConfiguration
    var cradle: String
    /// First host id of its user namespace.
    var firstID: UInt32?
    var address: String?
}

extension ContainerEngine {
    /// Host paths that containers of the engine with this state directory mount, read without taking the engine over. Containers that have
    /// ended count until they are removed.
    package static func bindSources(stateDirectory: String) -> [(container: String, source: String)] {
        names(in: "\(stateDirectory)/containers").flatMap { id -> [(container: String, source: String)] in
            guard let data = FileManager.default.contents(atPath: "\(stateDirectory)/containers/\(id)/record"),
                let record = try? JSONDecoder().decode(ContainerRecord.self, from: data)
            else { return [] }
            return record.configuration.mounts.filter { $0.kind == .bind }.map { (id, $0.source) }
        }
    }
}

/// Names in a directory, sorted; none when there is no such directory.
func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}

func makeDirectories(_ path: String) throws(ContainerError) {
    var part = ""
    for component in path.split(separator: "/") {
        part += "/\(component)"
        guard mkdir(part, 0o711) == 0 || errno == EEXIST else {
            throw ContainerError(.kernelRefused, "cannot make directory \(part)", cause: systemText(errno))
        }
    }
}
