import Glibc
import LinuxShims
import Synchronization

extension ContainerEngine {
    package func start(_ id: String) async throws(ContainerError) -> ContainerStatus {
        let container = try find(id)
        cradles.enter()
        defer { cradles.leave() }
        try container.state.withLock { state throws(ContainerError) in
            switch state.phase {
            case .prepared:
                state.phase = .starting
                // Whoever attached or set the terminal's size by way of the guard is served before the program.
                if let event = state.startEvent, !state.isAttached {
                    _ = sk_eventfd_signal(event.number)
                } else {
                    try state.link?.send(SK_ASK_START)
                }
            case .starting, .running: break
            case .preparing, .frozen, .exited:
                throw ContainerError(.wrongState, "failed to start container \(id): it must be prepared, and is \(state.phase)")
            }
        }
        step("start asked")
        await container.wait { $0.phase != .starting }
        step("started")
        guard let status = container.status else { throw ContainerError(.notFound, "container \(id) was removed") }
        if status.state == .exited, let failure = status.exit?.failure {
            throw ContainerError(.wrongState, "failed to start container \(id)", cause: failure)
        }
        return status
    }

    package func signal(_ id: String, _ number: Int32) async throws(ContainerError) {
        let container = try find(id)
        guard (1...64).contains(number) else { throw ContainerError(.invalidConfiguration, "there is no signal \(number)") }
        let (phase, link) = container.state.withLock { ($0.phase, $0.link) }
        guard phase != .exited, let link else {
            throw ContainerError(.wrongState, "failed to signal container \(id): it has exited")
        }
        try link.send(SK_ASK_SIGNAL, code: number)
        step("signal sent")
        // A frozen process dies of KILL only once it is thawed (cgroup v1).
        if phase == .frozen, number == SIGKILL { try await thaw(id) }
    }

    package func freeze(_ id: String) async throws(ContainerError) {
        let container = try find(id)
        let group = try cgroup(of: container, for: "freeze")
        let link = try container.state.withLock { state throws(ContainerError) in
            guard state.phase == .running || state.phase == .frozen else {
                throw ContainerError(.wrongState, "failed to freeze container \(id): it must be running, and is \(state.phase)")
            }
            return state.link
        }
        // Marked first: an engine that comes after our death freezes what is marked.
        try link?.send(SK_ASK_MARK, flags: 1)
        // Mostly done at once; only what waits for the processes needs a thread that may.
        if try !cgroups.beginFreezing(group) {
            let cgroups = cgroups
            try await threads.run { () throws(ContainerError) in try cgroups.freeze(group) }
        }
        container.change { if $0.phase == .running { $0.phase = .frozen } }
    }

    package func thaw(_ id: String) async throws(ContainerError) {
        let container = try find(id)
        let group = try cgroup(of: container, for: "thaw")
        let link = try container.state.withLock { state throws(ContainerError) in
            guard state.phase == .running || state.phase == .frozen else {
                throw ContainerError(.wrongState, "failed to thaw container \(id): it must be frozen, and is \(state.phase)")
            }
            return state.link
        }
        try cgroups.thaw(group)
        container.change { if $0.phase == .frozen { $0.phase = .running } }
        try link?.send(SK_ASK_MARK, flags: 0)
    }

    package func run(_ id: String, arguments: [String], timeoutMilliseconds: Int64) async throws(ContainerError) -> (
        exit: ContainerExit, output: [UInt8]
    ) {
        let container = try find(id)
        try checkFurther(id, arguments)
        return try await runThreads.run { [self] () throws(ContainerError) in
            try FurtherRun(
                container: container, arguments: arguments, timeoutMilliseconds: timeoutMilliseconds,
                seccomp: seccompProgram(container.configuration)
            ).run()
        }
    }
}
