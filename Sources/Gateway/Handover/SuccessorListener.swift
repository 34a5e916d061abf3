import EventLoop
import Glibc
import LinuxShims
import Logging
import SidekickModel

/// Where a later gateway on the same state directory asks for this one's listeners. On the control loop.
final class SuccessorListener: EventHandler {
    private let listeners: [Listener]
    private let loop: EventLoop
    private let log: Logger
    private let handedOver: () -> Void
    private let socket: Socket
    private var registration: Registration?
    private var isDone = false

    /// - Parameter handedOver: called once, when a successor says that it serves.
    init(
        directory: String, listeners: [Listener], loop: EventLoop, log: Logger, handedOver: @escaping () -> Void
    ) throws(SystemError) {
        self.listeners = listeners
        self.loop = loop
        self.log = log
        self.handedOver = handedOver
        let path = Predecessor.socketPath(directory)
        guard let address = SocketAddress(text: path) else {
            throw SystemError(operation: "listen on", object: path, number: ENAMETOOLONG)
        }
        unlink(path)
        socket = try Socket.listening(on: address, backlog: 4)
        chmod(path, 0o600)
        registration = try loop.registerListener(socket, self)
    }

    func ready(_ readiness: Readiness) {
        while !isDone, let connection = try? socket.accept() {
            do throws(SystemError) {
                try SuccessorConnection(connection, loop: loop, owner: self).begin(listeners)
            } catch {
                log.warning("\(error): a gateway that wants to take over is not answered")
            }
        }
    }

    func expired(_ tag: Int) {}

    /// Answers nobody any more.
    func stop() {
        isDone = true
        guard let registration else { return }
        loop.unwatch(socket)
        loop.forget(registration)
        self.registration = nil
    }

    fileprivate func finish() {
        guard !isDone else { return }
        stop()
        handedOver()
    }
}

/// One gateway that wants to take over: it gets the listeners, and says one byte when it serves.
private final class SuccessorConnection: EventHandler {
    private var socket: Socket
    private let loop: EventLoop
    private let owner: SuccessorListener
    private var registration: Registration?

    init(_ socket: consuming Socket, loop: EventLoop, owner: SuccessorListener) {
        self.socket = socket
        self.loop = loop
        self.owner = owner
    }

    func begin(_ listeners: [Listener]) throws(SystemError) {
        let lent = listeners.prefix(64)
        let lines = Array(lent.map { "\($0.kind.rawValue) \($0.address)" }.joined(separator: "\n").utf8)
        let descriptors = lent.map { $0.socket.descriptor }
        let sent = sk_send_descriptors(socket.descriptor, lines, lines.count, descriptors, Int32(descriptors.count))
        guard sent == lines.count else {
            throw SystemError(operation: "hand over", object: "the listeners", number: Int32(clamping: -min(sent, 0)))
        }
        registration = try loop.register(socket, self)
    }

    func expired(_ tag: Int) {}

    func ready(_ readiness: Readiness) {
        guard readiness.canRead || readiness.isBroken, registration != nil else { return }
        var byte: UInt8 = 0
        let count = withUnsafeMutableBytes(of: &byte) { socket.receive(into: $0) }
        if count == -Int(EAGAIN) { return }
        if let registration { loop.forget(registration) }
        registration = nil
        socket.close()
        // One that ends without a word has not come to serve: everything stays as it was.
        if count > 0 { owner.finish() }
    }
}
