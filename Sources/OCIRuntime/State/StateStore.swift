import ContainerCore
import FoundationEssentials
import Glibc
import LinuxShims

/// The directory that holds one directory for each container: `state.json`, the bundle's `config.json` as it was at create, and the two
/// FIFOs by which a created container is started.
package struct StateStore: Sendable {
    package let root: String

    package init(root: String) { self.root = root }

    static let hold = "hold"
    static let status = "status"

    static func check(id: String) throws {
        let isPlain = id.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) && byte != UInt8(ascii: "@")
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "_+-.".utf8.contains(byte)
        }
        guard isPlain, !id.isEmpty, id != ".", id != "..", id.utf8.count <= 255 else {
            throw invalid("container id \"\(id)\": it must be 1 to 255 of a-z A-Z 0-9 _ + - .")
        }
    }

    /// Takes the name; whoever comes second is refused.
    func make(_ id: String) throws -> StoredContainer {
        try Self.check(id: id)
        try FileManager.default.createDirectory(
            atPath: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let path = "\(root)/\(id)"
        guard mkdir(path, 0o700) == 0 else {
            let number = errno
            if number == EEXIST { throw ContainerError(.alreadyExists, "container \(id) exists already; delete it first") }
            throw ContainerError(.kernelRefused, "cannot make \(path)", cause: systemText(number))
        }
        return try StoredContainer(id: id, path: path, lock: true)
    }

    func open(_ id: String, lock: Bool) throws -> StoredContainer {
        try Self.check(id: id)
        guard access("\(root)/\(id)", F_OK) == 0 else {
            throw ContainerError(.notFound, "container \(id) does not exist")
        }
        let container = try StoredContainer(id: id, path: "\(root)/\(id)", lock: lock)
        // Deleted while we waited for the lock.
        guard !lock || access("\(root)/\(id)", F_OK) == 0 else {
            throw ContainerError(.notFound, "container \(id) does not exist")
        }
        return container
    }

    /// Sorted.
    func ids() -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).filter { (try? Self.check(id: $0)) != nil }.sorted()
    }
}

/// One container's directory, locked for as long as this lives when it was asked for.
struct StoredContainer: Sendable {
    let id: String
    let path: String
    let directory: Descriptor

    init(id: String, path: String, lock: Bool) throws {
        self.id = id
        self.path = path
        let number = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        directory = try Descriptor(number < 0 ? -errno : number, "open \(path)")
        if lock { while flock(directory.number, LOCK_EX) != 0, errno == EINTR {} }
    }

    func unlock() { flock(directory.number, LOCK_UN) }

    /// Nil when the create that made the directory has not come that far, or was killed.
    func record() throws -> ContainerRecord? {
        guard let text = FileManager.default.contents(atPath: "\(path)/state.json") else { return nil }
        return try decode(ContainerRecord.self, from: text, named: "\(path)/state.json")
    }

    func save(_ record: ContainerRecord) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try replace("state.json", try encoder.encode(record))
    }

    func save(configuration: Data) throws { try replace("config.json", configuration) }

    func configuration(_ record: ContainerRecord) throws -> Bundle {
        guard let text = FileManager.default.contents(atPath: "\(path)/config.json") else {
            throw ContainerError(.notFound, "cannot read \(path)/config.json: container \(id) was not made to the end; delete it")
        }
        return try Bundle(directory: record.bundle, text: text, named: "\(path)/config.json")
    }

    private func replace(_ name: String, _ text: Data) throws {
        let temporary = ".\(name).new"
        let file = openat(directory.number, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw ContainerError(.kernelRefused, "cannot write \(path)/\(name)", cause: systemText(errno)) }
        defer { close(file) }
        let wrote = text.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        guard wrote == text.count, renameat(directory.number, temporary, directory.number, name) == 0 else {
            throw ContainerError(.kernelRefused, "cannot write \(path)/\(name)", cause: systemText(errno))
        }
    }

    /// A FIFO of the container, opened so that neither opening nor reading ends for want of the other side.
    func makeFIFO(_ name: String) throws -> Descriptor {
        guard mkfifoat(directory.number, name, 0o600) == 0 else {
            throw ContainerError(.kernelRefused, "cannot make \(path)/\(name)", cause: systemText(errno))
        }
        let number = openat(directory.number, name, O_RDWR | O_CLOEXEC)
        return try Descriptor(number < 0 ? -errno : number, "open \(path)/\(name)")
    }

    /// Whether the process still waits before its exec: then it holds the FIFO open.
    var isHeld: Bool {
        let number = sk_fifo_open(directory.number, StateStore.hold, 1)
        guard number >= 0 else { return false }
        close(number)
        return true
    }

    func status(_ record: ContainerRecord, _ cgroup: ContainerCgroup?) -> ContainerRunStatus {
        if record.pid == 0 { return .creating }
        guard ProcessTable.isAlive(record.pid, since: record.startTime) else { return .stopped }
        if isHeld { return .created }
        return cgroup?.isFrozen == true ? .paused : .running
    }

    func document(_ record: ContainerRecord, status: ContainerRunStatus) -> StateDocument {
        StateDocument(
            ociVersion: record.ociVersion, id: record.id, status: status, pid: status == .stopped ? 0 : record.pid,
            bundle: record.bundle, rootfs: record.rootPath, created: record.created,
            owner: getpwuid(record.owner).map { String(cString: $0.pointee.pw_name) } ?? String(record.owner),
            annotations: record.annotations)
    }

    func removeFiles() throws {
        let parent = try Descriptor.directory(
            path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/"))
        let error = sk_remove_tree(parent.number, id)
        guard error == 0 else { throw ContainerError(.kernelRefused, "cannot remove \(path)", cause: systemText(-error)) }
    }
}
