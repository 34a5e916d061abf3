import ContainerCore
import Glibc

extension Runtime {
    package func pause(_ id: String) throws {
        let (_, record, status) = try open(id, lock: true)
        guard status == .running || status == .created else {
            throw ContainerError(.wrongState, "cannot pause container \(id): it is \(status.rawValue), and must be running")
        }
        try cgroups(record, "pause").freeze()
    }

    package func resume(_ id: String) throws {
        let (_, record, status) = try open(id, lock: true)
        guard status == .paused else {
            throw ContainerError(.wrongState, "cannot resume container \(id): it is \(status.rawValue), and must be paused")
        }
        try cgroups(record, "resume").thaw()
    }

    package func update(_ id: String, _ resources: Resources) throws {
        let (_, record, status) = try open(id, lock: true)
        guard status != .stopped, status != .creating else {
            throw ContainerError(
                .wrongState, "cannot update container \(id): it is \(status.rawValue), and must be created or running")
        }
        try cgroups(record, "update").apply(resources)
    }

    /// Processes of the container, by the numbers they have for the runtime.
    package func processes(_ id: String) throws -> [Int32] {
        let (_, record, status) = try open(id)
        guard status != .stopped else { throw ContainerError(.wrongState, "container \(id) is not running") }
        return try cgroup(record)?.processes ?? [record.pid]
    }

    private func cgroups(_ record: ContainerRecord, _ operation: String) throws -> ContainerCgroup {
        guard let cgroup = try cgroup(record) else {
            throw ContainerError(.resourceMissing, "cannot \(operation) container \(record.id): it has no control groups")
        }
        return cgroup
    }
}
