import ContainerCore
import FoundationEssentials
import Glibc

/// What holds for every command: the global options.
package struct RuntimeSettings: Sendable {
    package var root = "/run/sidekick-runtime"
    /// The sidekick-init executable.
    package var initPath = ""
    /// Read `cgroupsPath` as `slice:prefix:name`.
    package var systemdCgroup = false
    /// Make no control groups.
    package var withoutCgroups = false

    package init() {}

    var store: StateStore { StateStore(root: root) }
}

/// The container engine seen from OCI clients: one value per command, nothing kept in memory between them.
package struct Runtime: Sendable {
    package let settings: RuntimeSettings

    package init(_ settings: RuntimeSettings) { self.settings = settings }

    /// The container with its record and its status now.
    func open(_ id: String, lock: Bool = false) throws -> (
        container: StoredContainer, record: ContainerRecord, status: ContainerRunStatus
    ) {
        let container = try settings.store.open(id, lock: lock)
        guard let record = try container.record() else {
            throw ContainerError(
                .wrongState, "container \(id) is being created, or its creation was killed: delete it with --force")
        }
        return (container, record, container.status(record, try cgroup(record)))
    }

    /// Nil for a container that was made without.
    func cgroup(_ record: ContainerRecord) throws -> ContainerCgroup? {
        record.cgroupPath.isEmpty ? nil : ContainerCgroup(places: try CgroupPlaces(path: record.cgroupPath))
    }

    package func state(_ id: String) throws -> StateDocument {
        let (container, record, status) = try open(id)
        return container.document(record, status: status)
    }

    /// The id itself, or the ids in which a regular expression occurs.
    func ids(_ text: String, isPattern: Bool) throws -> [String] {
        guard isPattern else { return [text] }
        guard let pattern = try? Regex(text) else { throw invalid("\(text) is no regular expression") }
        return settings.store.ids().filter { $0.firstMatch(of: pattern) != nil }
    }

    /// Every container, those half made as `creating`.
    package func list() -> [StateDocument] {
        settings.store.ids().compactMap { try? state($0) }
    }
}

/// The state document as a hook gets it.
func hookState(_ record: ContainerRecord, _ status: ContainerRunStatus) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(
        StateDocument(
            ociVersion: record.ociVersion, id: record.id, status: status, pid: status == .stopped ? 0 : record.pid,
            bundle: record.bundle,
            annotations: record.annotations))
}

/// Writes a pid the way clients wait for it: the file is whole as soon as it is there.
func writePID(_ pid: Int32, to file: String) throws {
    let temporary = "\(file).\(getpid())"
    do {
        try Data(String(pid).utf8).write(to: URL(filePath: temporary))
    } catch {
        throw ContainerError(.kernelRefused, "cannot write pid file \(file)", cause: "\(error)")
    }
    guard rename(temporary, file) == 0 else {
        let number = errno
        unlink(temporary)
        throw ContainerError(.kernelRefused, "cannot write pid file \(file)", cause: systemText(number))
    }
}
