package import EventLoop
import Glibc
package import Logging
import SidekickModel
import Synchronization
package import TLS

/// One gateway: listens, carries requests to replicas, and follows the agent of its host.
///
///     let server = try GatewayServer(configuration, log: log)   // listens; throws `ListenError` when it cannot
///     try await server.run()                                     // returns after `shutdown()`, when the last request has ended
package final class GatewayServer: Sendable {
    private let configuration: GatewayConfiguration
    private let log: Logger
    private let tls: GatewayTLS?
    private let state: Mutex<State>
    /// Where it listens, in the order of the configuration; a port 0 is the port the system chose.
    package let addresses: [SocketAddress]
    /// The same for TLS.
    package let tlsAddresses: [SocketAddress]
    /// Where it takes requests of other gateways.
    package let peerAddress: SocketAddress?
    /// Where it answers `/healthz` and `/metrics`.
    package let adminAddress: SocketAddress?
    private let accessLog: AccessLogWriter?

    private struct State {
        /// Closed as soon as every loop has let go of them, so that a successor can listen while this one still finishes.
        var listeners: [Listener]
        var admin: Listener?
        /// Whose listeners these were.
        var predecessor: Predecessor?
        var hasSuccessor = false
        /// While it runs.
        var hub: Hub?
        var stopping = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    /// Listens on every address of the configuration; connections wait until `run()`. A gateway that runs on the same state directory gives
    /// its listeners up for this one, and ends when this one serves: no connection is refused in between.
    package init(_ configuration: GatewayConfiguration, log: Logger) throws {
        self.configuration = configuration
        self.log = log
        tls = try configuration.certificates.map { directory in
            do throws(TLSError) {
                return try GatewayTLS(directory: directory, .http2, log: log)
            } catch {
                throw ListenError.certificates(error)
            }
        }
        guard tls != nil || configuration.tlsListen.isEmpty else { throw ListenError.noCertificates }
        let predecessor = Predecessor(directory: configuration.stateDirectory, log: log)
        func listen(_ text: String, _ kind: Listener.Kind, _ backlog: Int32) throws -> Listener {
            try Self.listen(on: text, backlog, kind: kind, after: predecessor)
        }
        let plain = try configuration.listen.map { try listen($0, .clients, configuration.backlog) }
        let secure = try configuration.tlsListen.map { try listen($0, .secureClients, configuration.backlog) }
        let peers = try configuration.peerListen.map { try listen($0, .peers, configuration.backlog) }
        let admin = try configuration.admin.map { try listen($0, .admin, 16) }
        addresses = plain.map(\.address)
        tlsAddresses = secure.map(\.address)
        peerAddress = peers?.address
        adminAddress = admin?.address
        accessLog = try configuration.accessLog.map { try AccessLogWriter($0, log: log) }
        state = Mutex(
            State(listeners: plain + secure + (peers.map { [$0] } ?? []), admin: admin, predecessor: predecessor))
    }

    private static func listen(
        on text: String, _ backlog: Int32, kind: Listener.Kind, after predecessor: Predecessor?
    ) throws -> Listener {
        guard let address = SocketAddress(text: text) else { throw ListenError.invalid(text) }
        if let listener = predecessor?.take(kind, address) { return listener }
        if case .unix(let path) = address { unlink(path) }
        do throws(SystemError) {
            return try Listener(address, backlog: backlog, kind: kind)
        } catch {
            throw ListenError.refused(error, holder: error.number == EADDRINUSE ? PortHolder.find(address) : nil)
        }
    }

    /// Serves until `shutdown()`.
    package func run() async throws {
        let threads = try (0..<max(1, configuration.threads)).map { try LoopThread(name: "gateway-\($0)") }
        let controlThread = try LoopThread(name: "gateway-control")
        let hub = Hub(
            configuration: configuration, loops: threads.map(\.loop), controlLoop: controlThread.loop, tls: tls,
            redirect: configuration.redirectsToTLS ? tls.map { TLSRedirect($0.server, port: tlsAddresses.first?.port) } : nil,
            accessLog: accessLog, log: log)
        state.withLock { $0.hub = hub }
        defer { state.withLock { $0.hub = nil } }
        hub.onControl { $0.start() }
        startListening(hub, controlThread.loop)
        await stopRequested()
        await drain(hub)
        hub.onControl { $0.stop() }
        for worker in hub.workers { worker.loop.submit { worker.flushAccessLog() } }
        for thread in threads { await thread.stop() }
        await accessLog?.close()
        await controlThread.stop()
    }

    /// Opens the access log's file anew, as a log rotator asks for.
    package func reopenLogs() { accessLog?.reopen() }

    /// Takes no more connections, lets requests in flight finish up to the drain time, then makes `run()` return.
    package func shutdown() {
        let waiting = state.withLock { state in
            state.stopping = true
            return state.waiting.take()
        }
        waiting?.resume()
    }

    /// Reads changed certificates now. Connections there are go on.
    package func reloadCertificates() { state.withLock { $0.hub }?.onControl { $0.reloadCertificates() } }

    /// Makes every loop accept, once the control loop has handed out the first routes. Keeps no listener alive beyond it.
    private func startListening(_ hub: Hub, _ control: EventLoop) {
        let (listeners, admin, predecessor) = state.withLock { ($0.listeners, $0.admin.take(), $0.predecessor.take()) }
        if let admin { hub.onControl { $0.serveAdmin(on: admin) } }
        for worker in hub.workers { control.submit { worker.loop.submit { Self.accept(worker, listeners) } } }
        let lent = listeners + (admin.map { [$0] } ?? [])
        let giveWay: @Sendable () -> Void = { [weak self] in self?.giveWay() }
        hub.onControl { control in
            control.whenConnected { [unowned control] in
                predecessor?.end()
                control.awaitSuccessor(lent, handedOver: giveWay)
            }
        }
    }

    /// A successor serves.
    private func giveWay() {
        log.notice("another gateway has taken over: finishing what is open here")
        state.withLock { $0.hasSuccessor = true }
        shutdown()
    }

    private static func accept(_ worker: Worker, _ listeners: [Listener]) {
        for listener in listeners {
            do throws(SystemError) {
                try worker.watch(listener)
            } catch {
                worker.hub.log.critical("\(error)")
            }
        }
    }

    private func stopRequested() async {
        await withCheckedContinuation { continuation in
            let already = state.withLock { state in
                if !state.stopping { state.waiting = continuation }
                return state.stopping
            }
            if already { continuation.resume() }
        }
    }

    private func drain(_ hub: Hub) async {
        let (finished, sink) = AsyncStream.makeStream(of: Void.self)
        let gently = state.withLock { state in
            state.listeners = []
            return state.hasSuccessor
        }
        hub.onControl { $0.stopAwaitingSuccessor() }
        for worker in hub.workers { worker.loop.submit { worker.drain(gently: gently) { sink.yield() } } }
        let patience = gently ? configuration.timeouts.handover : configuration.timeouts.drain
        let deadline = Task { [log] in
            try await Task.sleep(nanoseconds: UInt64(max(0, patience.nanoseconds)))
            log.warning("requests were still in flight after \(patience): cutting them off")
            for worker in hub.workers { worker.loop.submit { worker.closeAll() } }
        }
        var left = hub.workers.count
        for await _ in finished {
            left -= 1
            if left == 0 { break }
        }
        deadline.cancel()
        for worker in hub.workers { worker.loop.submit { worker.closeAll() } }
    }
}

/// Why a gateway does not listen.
package enum ListenError: Error, CustomStringConvertible {
    case invalid(String)
    case certificates(TLSError)
    case noCertificates
    case refused(SystemError, holder: String?)

    package var description: String {
        switch self {
        case .invalid(let text): "cannot listen on ‘\(text)’: write ADDRESS:PORT with a numeric address, or the path of a socket"
        case .certificates(let error): "\(error)"
        case .noCertificates: "cannot listen for TLS: there are no certificates; name their directory with --certificates"
        case .refused(let error, let holder):
            switch error.number {
            case EADDRINUSE:
                "\(error)\(holder.map { " by \($0)" } ?? ""); stop what uses it or choose another with --listen"
            case EACCES: "\(error); ports below 1024 need root or CAP_NET_BIND_SERVICE"
            case EADDRNOTAVAIL: "\(error); this machine has no such address"
            default: "\(error)"
            }
        }
    }
}
