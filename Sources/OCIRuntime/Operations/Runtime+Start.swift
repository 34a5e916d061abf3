import ContainerCore
import Glibc
import LinuxShims

/// The container runs, but is not to.
struct PoststartFailure: Error {}

extension Runtime {
    package func start(_ id: String) throws {
        let (container, record, status) = try open(id, lock: true)
        guard status == .created else {
            throw ContainerError(.wrongState, "cannot start container \(id): it is \(status.rawValue), and must be created")
        }
        do {
            try start(container, record, try container.configuration(record))
        } catch is PoststartFailure {
            container.unlock()
            try delete(id, force: true)
            throw ContainerError(.kernelRefused, "a poststart hook failed: container \(id) was stopped and deleted")
        }
    }

    func start(_ container: StoredContainer, _ record: ContainerRecord, _ bundle: Bundle) throws {
        let status = try Descriptor(
            sk_fifo_open(container.directory.number, StateStore.status, 0), "open the status of \(record.id)")
        let hold = try Descriptor(sk_fifo_open(container.directory.number, StateStore.hold, 1), "start \(record.id)")
        guard write(hold.number, "s", 1) == 1 else {
            throw ContainerError(.kernelRefused, "cannot start container \(record.id)", cause: systemText(errno))
        }
        if let failure = try outcome(status, record) { throw failure }
        guard let hooks = bundle.configuration.hooks?.poststart, !hooks.isEmpty else { return }
        do {
            try HookRunner(bundle: bundle, state: try hookState(record, .running)).run(hooks, "poststart")
        } catch {
            RuntimeLog.fail("\(error)")
            throw PoststartFailure()
        }
    }

    /// Nil once the process has become its program, which closes its end; or what it said failed.
    private func outcome(_ status: Descriptor, _ record: ContainerRecord) throws -> ContainerError? {
        var message = sk_message()
        while true {
            // The end of a FIFO that was opened without blocking shows as nothing to read until somebody has written: the process has
            // had it open for writing since before, so the end is its exec or its death.
            var ready = pollfd(fd: status.number, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, -1) >= 0 || errno == EINTR else { return nil }
            let got = withUnsafeMutableBytes(of: &message) { read(status.number, $0.baseAddress, $0.count) }
            if got == MemoryLayout<sk_message>.size { return InnerProcess.failure(message) }
            if got == 0 || got < 0 && errno != EAGAIN && errno != EINTR { return nil }
        }
    }
}
