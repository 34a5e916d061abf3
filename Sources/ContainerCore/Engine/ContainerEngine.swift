import Glibc
import LinuxShims
import Synchronization

/// Runs containers on the real kernel, each guarded by a `sidekick-init` of its own that outlives the engine.
///
/// The engine holds no truth: what lives is known by the guards' sockets, what has ended by the exit records, and a new engine of the
/// same configuration goes on from these.
package final class ContainerEngine: ContainerRuntime {
    let configuration: EngineConfiguration
    let directory: StateDirectory
    let runDirectory: Descriptor
    let cgroups: any CgroupDriver
    let network: ContainerNetwork?
    let detachments: Detachments?
    let cradles: Cradles
    let seccomp = SeccompCompiler()
    let threads: WaitingThreads
    /// For further processes, which are waited for as long as they run.
    let runThreads = WaitingThreads(largest: 256)
    let watcher: GuardWatcher
    let listeners = ExitListeners()
    let step: StepObserver
    let containers = Mutex<[String: Container]>([:])
    /// Answers containers' questions for names, from `recover` on where the configuration wants it and port 53 is free.
    let nameService = Mutex<NameService?>(nil)
    private let troubles = Mutex<[String]>([])

    /// Makes the engine's directories and takes its copy of `sidekick-init`; nothing runs yet.
    /// - Throws: `invalidConfiguration`, or what the kernel refused.
    package init(_ configuration: EngineConfiguration, step: @escaping StepObserver = { _ in }) throws(ContainerError) {
        self.step = step
        try configuration.check()
        self.configuration = configuration
        directory = try StateDirectory(configuration.stateDirectory)
        try makeDirectories(configuration.runDirectory)
        runDirectory = try Descriptor.directory(configuration.runDirectory)
        cgroups = try Cgroups.detect(parent: "/sidekick-\(configuration.name)")
        network = configuration.subnet == nil ? nil : try ContainerNetwork(configuration: configuration)
        detachments = network.map { Detachments($0, step: step) }
        cradles = try Cradles(
            engine: configuration.name, initPath: configuration.initPath, runDirectory: runDirectory, cgroups: cgroups,
            ready: configuration.readyCradles, step: step)
        threads = WaitingThreads()
        watcher = try GuardWatcher()
    }

    /// Lets go of everything but leaves containers and their guards running, for a later engine to adopt.
    package func shutdown() async {
        _ = try? await threads.run { [self] () throws(ContainerError) in
            cradles.end()
            stopNames()
            detachments?.finish()
        }
        detachments?.end()
        watcher.end()
        threads.end()
        runThreads.end()
        listeners.end()
    }

    /// Removes every container, the network and the cgroups: nothing of this engine is left but its empty directories.
    package func destroy() async throws(ContainerError) {
        for id in containers.withLock({ $0.keys.sorted() }) { try await remove(id) }
        let cradles = cradles, network = network, cgroups = cgroups
        try await threads.run { [self] () throws(ContainerError) in
            cradles.end()
            stopNames()
            detachments?.finish()
            try network?.destroy()
            try cgroups.destroy()
        }
        await shutdown()
        directory.empty()
    }

    // MARK: - What is known

    /// What this host cannot do for containers, one sentence each; complete after `recover`.
    package var notes: [String] { cgroups.notes + troubles.withLock { $0 } }

    func note(_ trouble: String) { troubles.withLock { $0.append(trouble) } }

    func find(_ id: String) throws(ContainerError) -> Container {
        guard let container = containers.withLock({ $0[id] }), container.status != nil else {
            throw ContainerError(.notFound, "there is no container \(id)")
        }
        return container
    }

    package func status(_ id: String) async throws(ContainerError) -> ContainerStatus {
        guard let status = try find(id).status else { throw ContainerError(.notFound, "there is no container \(id)") }
        return status
    }

    package func list() async -> [ContainerStatus] {
        containers.withLock { $0.values.compactMap(\.status) }.sorted { $0.id < $1.id }
    }

    package func logPath(_ id: String) -> String { "\(directory.directory(of: id))/log" }

    /// The container's writable layer: what it changed of its image.
    package func upperDirectory(_ id: String) -> String { "\(directory.directory(of: id))/\(LaunchPlan.upper)" }

    /// What a container was made from.
    package func configuration(_ id: String) throws(ContainerError) -> ContainerConfiguration { try find(id).configuration }

    package func exits() -> AsyncStream<(id: String, exit: ContainerExit)> { listeners.stream() }

    package func statistics(_ id: String) async throws(ContainerError) -> ContainerStatistics {
        let group = try cgroup(of: find(id), for: "measure")
        let cgroups = cgroups
        return try await threads.run { () throws(ContainerError) in try cgroups.statistics(group) }
    }

    /// How long what runs in a container waited for processor, memory and disk; nil where the kernel does not say.
    package func pressure(_ id: String) async throws(ContainerError) -> CgroupPressure? {
        let group = try cgroup(of: find(id), for: "measure")
        let cgroups = cgroups
        return try await threads.run { () throws(ContainerError) in try cgroups.pressure(group) }
    }

    func cgroup(of container: Container, for operation: String) throws(ContainerError) -> CgroupHandle {
        guard let cradle = container.state.withLock({ $0.phase == .exited ? nil : $0.cradle }) else {
            throw ContainerError(.wrongState, "failed to \(operation) container \(container.id): it has exited")
        }
        return cradle.cgroup
    }
}

/// Whoever asked for exits.
final class ExitListeners: Sendable {
    private let state = Mutex<(next: Int, listening: [Int: AsyncStream<(id: String, exit: ContainerExit)>.Continuation])>(
        (0, [:]))

    func stream() -> AsyncStream<(id: String, exit: ContainerExit)> {
        let (stream, continuation) = AsyncStream.makeStream(of: (id: String, exit: ContainerExit).self)
        let key = state.withLock { state in
            state.next += 1
            state.listening[state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.listening.removeValue(forKey: key) } }
        return stream
    }

    func tell(_ id: String, _ exit: ContainerExit) {
        for listener in state.withLock({ [AsyncStream<(id: String, exit: ContainerExit)>.Continuation]($0.listening.values) }) {
            listener.yield((id, exit))
        }
    }

    func end() {
        for listener in state.withLock({ [AsyncStream<(id: String, exit: ContainerExit)>.Continuation]($0.listening.values) }) {
            listener.finish()
        }
    }
}
