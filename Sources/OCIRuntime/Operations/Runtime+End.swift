import ContainerCore
import Glibc
import LinuxShims

extension Runtime {
    package func kill(_ id: String, signal: Int32, all: Bool) throws {
        let (_, record, status) = try open(id)
        if all {
            guard let cgroup = try cgroup(record) else {
                throw ContainerError(.resourceMissing, "cannot signal all processes of container \(id): it has no control groups")
            }
            guard status != .stopped || !cgroup.processes.isEmpty else { throw notRunning(id, status) }
            return try cgroup.signalAll(signal)
        }
        guard status != .stopped, status != .creating else { throw notRunning(id, status) }
        try send(signal, to: record)
        // Without a pid namespace the others do not go with the first.
        guard signal == SIGKILL, let cgroup = try cgroup(record) else { return }
        if try !hasOwnProcesses(record) { try cgroup.signalAll(SIGKILL) }
        if status == .paused { try cgroup.thaw() }
    }

    private func notRunning(_ id: String, _ status: ContainerRunStatus) -> ContainerError {
        ContainerError(
            .wrongState,
            "cannot signal container \(id): it is \(status.rawValue), and must be created or running: container not running")
    }

    private func hasOwnProcesses(_ record: ContainerRecord) throws -> Bool {
        try NamespacePlan(ofProcess: record.pid).joins(.pid)
    }

    private func send(_ signal: Int32, to record: ContainerRecord) throws {
        let process = try Descriptor(sk_process_open(record.pid), "find the process of container \(record.id)")
        // The number may be another's by now; what the descriptor means stays what it was.
        guard ProcessTable.isAlive(record.pid, since: record.startTime) else { throw notRunning(record.id, .stopped) }
        let error = sk_process_signal(process.number, signal)
        guard error == 0 else {
            throw ContainerError(
                .kernelRefused, "cannot send signal \(signal) to container \(record.id)", cause: systemText(-error))
        }
    }

    /// - Parameter force: ends what runs, and takes what does not exist for deleted.
    package func delete(_ id: String, force: Bool) throws {
        let container: StoredContainer
        do { container = try settings.store.open(id, lock: true) } catch let error as ContainerError
            where force && error.code == .notFound
        {
            return
        }
        guard let record = try container.record() else {
            guard force else {
                throw ContainerError(.wrongState, "cannot delete container \(id): it is creating; delete it with --force")
            }
            return try container.removeFiles()
        }
        let cgroup = try cgroup(record)
        let status = container.status(record, cgroup)
        guard status == .stopped || force else {
            throw ContainerError(
                .wrongState,
                "cannot delete container \(id): it is \(status.rawValue), and must be stopped; stop it or use --force")
        }
        let bundle = try? container.configuration(record)
        if status != .stopped, status != .creating { try end(record, cgroup) }
        try cgroup?.remove()
        unmountRoot(record)
        try container.removeFiles()
        runPoststop(record, bundle)
    }

    /// Returns when the process is gone.
    private func end(_ record: ContainerRecord, _ cgroup: ContainerCgroup?) throws {
        guard let process = try? Descriptor(sk_process_open(record.pid), "find the process of container \(record.id)"),
            ProcessTable.isAlive(record.pid, since: record.startTime)
        else { return }
        _ = sk_process_signal(process.number, SIGKILL)
        if cgroup?.isFrozen == true { try cgroup?.thaw() }
        guard sk_wait_readable(process.number, process.number, 10_000) > 0 else {
            throw ContainerError(.timedOut, "container \(record.id) does not end within 10 s after KILL")
        }
    }
}
