import ControlAPI
import ControllerStore
import Glibc
package import ImageStore
package import Logging
import Orchestration
import ServiceLifecycle
import SidekickModel
import Synchronization

/// The deciding server: its store, its loop, its agents' sessions and the operators' API, as one thing to run.
package final class ControllerServer: Sendable {
    private let configuration: ControllerConfiguration
    private let images: any ImageLibrary
    private let logger: Logger
    private let port = Mutex<Int?>(nil)

    /// - Parameter images: where image references are looked up.
    package init(configuration: ControllerConfiguration, images: any ImageLibrary, logger: Logger) {
        self.configuration = configuration
        self.images = images
        self.logger = logger
    }

    /// The port agents connect to, once `run` listens; nil before.
    package var boundAgentPort: Int? { port.withLock { $0 } }

    /// Serves until its task is cancelled.
    /// - Parameter ready: called once agents and operators are taken.
    /// - Throws: `ControllerError`; with the code `refused` when starting again would not help.
    package func run(ready: @escaping @Sendable () -> Void = {}) async throws(ControllerError) {
        let store: SQLiteStore
        let conductor: Conductor
        do {
            store = try await SQLiteStore(directory: configuration.stateDirectory)
            conductor = try await Conductor(
                store: store, timings: configuration.timings, joinSecret: configuration.joinSecret, logger: logger)
        } catch {
            throw Self.startFailure(error)
        }
        try claimSocket()
        let logs = LogRelay()
        let inbox = conductor.inbox
        let listener = try await AgentListener(
            address: configuration.agentListen, timings: configuration.timings, logs: logs, logger: logger
        ) { event in inbox.put(.session(event)) }
        port.withLock { $0 = listener.port }
        let server = APIServer(
            api: FleetAPI(conductor: conductor, store: store, images: images, logs: logs), socketPath: configuration.apiSocket,
            logger: logger)
        let agents = listener.port
        let service = server.service { [logger] in
            logger.notice("controller ready: agents at port \(agents), operators at \(server.socketPath)")
            ready()
        }
        // Stopped in order rather than cut short: first the loop, with the commit under way and what watches it, then the API.
        let loop = Task {
            await conductor.run()
            await service.triggerGracefulShutdown()
        }
        let serving = Task { await serve(service) }
        let failure = await withTaskCancellationHandler {
            await serving.value
        } onCancel: {
            inbox.close()
        }
        inbox.close()
        await loop.value
        await Task { await cleanUp(listener, store) }.value
        if let failure { throw failure }
    }

    private func serve(_ service: ServiceGroup) async -> ControllerError? {
        do {
            try await service.run()
            return nil
        } catch is CancellationError {
            return nil
        } catch {
            return ControllerError(.refused, "cannot serve operators at \(configuration.apiSocket): \(error)")
        }
    }

    private func cleanUp(_ listener: AgentListener, _ store: SQLiteStore) async {
        await listener.close()
        unlink(configuration.apiSocket)
        do throws(StoreError) {
            try await store.close()
        } catch {
            logger.error("\(error)")
        }
    }

    /// Takes a socket file away that a killed controller left; refuses when somebody still answers there.
    private func claimSocket() throws(ControllerError) {
        let path = configuration.apiSocket
        var address = sockaddr_un()
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else {
            throw ControllerError(.refused, "the socket path \(path) is above the \(room - 1) bytes a Unix socket may have")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw ControllerError(.failed, "making a socket: \(String(cString: strerror(errno)))") }
        defer { Glibc.close(fd) }
        let answered = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        if answered {
            throw ControllerError(.refused, "another process serves at \(path): stop it first, or name another socket")
        }
        if errno == ECONNREFUSED { unlink(path) }
    }

    private static func startFailure(_ error: StoreError) -> ControllerError {
        switch error.code {
        case .inUse, .corrupt, .tooNew, .readOnly: ControllerError(.refused, "cannot start: \(error)")
        default: ControllerError(.failed, "cannot start: \(error)")
        }
    }
}
