import EventLoop
import Logging
import SidekickModel

/// One listening socket, shared by all loops.
///
/// Sendable without the compiler's check because the socket is only accepted from, which the kernel orders, and closed by the
/// last reference, after every loop has let go of it.
final class Listener: @unchecked Sendable {
    /// Who connects.
    enum Kind: String, Sendable {
        case clients
        /// Clients that speak TLS.
        case secureClients
        /// Other hosts' gateways: each request must show that it comes from one.
        case peers
        /// The operator.
        case admin
    }

    let socket: Socket
    let address: SocketAddress
    let kind: Kind

    init(_ address: SocketAddress, backlog: Int32, kind: Kind = .clients) throws(SystemError) {
        self.kind = kind
        socket = try Socket.listening(on: address, backlog: backlog)
        self.address = socket.localAddress() ?? address
    }

    /// One that the gateway of before had.
    init(inherited descriptor: Int32, address: SocketAddress, kind: Kind) {
        self.kind = kind
        socket = Socket.inherited(descriptor)
        self.address = address
    }
}

/// One loop's view of a listener.
final class ListenerHandler: EventHandler {
    /// Connections taken at once before other events get their turn.
    private static let batch = 32
    /// For which nothing is accepted after the process ran out of descriptors.
    private static let pause = Milliseconds(100)

    private let listener: Listener
    private unowned let worker: Worker
    private var registration: Registration?

    init(_ listener: Listener, worker: Worker) throws(SystemError) {
        self.listener = listener
        self.worker = worker
        registration = try worker.loop.registerListener(listener.socket, self)
    }

    func ready(_ readiness: Readiness) {
        do throws(SystemError) {
            for _ in 0..<Self.batch {
                guard let socket = try listener.socket.accept() else { return }
                worker.accepted(socket, from: listener.kind)
            }
        } catch {
            worker.hub.log.error("\(error); trying again in \(Self.pause)")
            stop()
            _ = worker.loop.schedule(at: worker.now + Self.pause, self)
        }
    }

    func expired(_ tag: Int) {
        guard !worker.isDraining, registration == nil else { return }
        do throws(SystemError) {
            registration = try worker.loop.registerListener(listener.socket, self)
        } catch {
            _ = worker.loop.schedule(at: worker.now + Self.pause, self)
        }
    }

    func stop() {
        guard let registration else { return }
        worker.loop.unwatch(listener.socket)
        worker.loop.forget(registration)
        self.registration = nil
    }
}
