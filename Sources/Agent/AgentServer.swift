package import ContainerCore
package import ImageStore
package import Logging
import NIOCore
import NIOPosix
import SidekickModel

/// The sidekick of one host: keeps the replicas that the controller orders, tells the gateway where requests may go, and goes on
/// with both when the controller is gone.
package final class AgentServer: Sendable {
    private let configuration: AgentConfiguration
    private let runtime: any ContainerRuntime
    private let images: any ImageLibrary
    private let logger: Logger
    private let ready: @Sendable () -> Void

    /// - Parameter ready: called once what stands on the host is taken over and the gateway can connect.
    package init(
        configuration: AgentConfiguration, runtime: any ContainerRuntime, images: any ImageLibrary, logger: Logger,
        ready: @escaping @Sendable () -> Void = {}
    ) {
        self.configuration = configuration
        self.runtime = runtime
        self.images = images
        self.logger = logger
        self.ready = ready
    }

    /// Runs until the task is cancelled. Containers go on after that, and the next agent takes them over.
    @concurrent package func run() async throws {
        let (host, port) = try controllerAddress()
        let (lock, journal, journalled) = try await open()
        // Never shut down: container operations may still answer when the agent has stopped listening to them.
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let core = AgentCore(
            loop: loop, configuration: configuration, identity: HostFacts.identity(configuration), runtime: runtime,
            images: images, journal: journal, logger: logger)
        let result: Result<Void, any Error>
        do {
            try await run(core, journalled, host: host, port: port)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await core.stop()
        await journal.close()
        withExtendedLifetime(lock) {}
        try result.get()
    }

    private func run(_ core: AgentCore, _ journalled: JournalState, host: String, port: Int) async throws {
        let recovered = try await runtime.recover()
        // Listening first and asking again then leaves no moment in which an end could go unseen.
        let exits = runtime.exits()
        let standing = Set(await runtime.list() + recovered.filter { $0.state == .exited })
        await core.adopt(journalled, standing.sorted { $0.id < $1.id })
        let listener = try await GatewayListener.bind(path: configuration.gatewaySocket, core: core, logger: logger)
        ready()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await (container, exit) in exits { await core.containerExited(container, exit) } }
            group.addTask {
                await ControllerLink(core: core, configuration: self.configuration, logger: self.logger).run(
                    host: host, port: port)
            }
            await group.waitForAll()
        }
        try? await listener.close()
    }

    private func controllerAddress() throws(AgentError) -> (host: String, port: Int) {
        guard let colon = configuration.controller.lastIndex(of: ":"),
            let port = Int(configuration.controller[configuration.controller.index(after: colon)...]), (1...65535).contains(port)
        else {
            throw AgentError(.invalidConfiguration, "the controller's address ‘\(configuration.controller)’ is not address:port")
        }
        return (String(configuration.controller[..<colon]), port)
    }

    /// Takes the state directory and reads the journal, away from the threads that must not block.
    private func open() async throws -> (StateLock, Journal, JournalState) {
        let (directory, logger) = (configuration.stateDirectory, logger)
        return try await NIOThreadPool.singleton.runIfActive {
            let lock = try StateLock(directory: directory)
            let (journal, state) = try Journal.open(directory: directory, logger: logger)
            return (lock, journal, state)
        }
    }
}
