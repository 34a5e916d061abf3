import EventLoop
import Glibc
import SidekickModel
import TLS

/// How one connection's bytes move, whatever carries them, and what is known of their readiness.
///
/// Reading and writing return a count, or the negative errno: `-EAGAIN` when nothing can move now (a readiness will tell), 0 when
/// reading has come to the peer's proper end, anything else when the connection is broken or was cut.
struct Transport: ~Copyable {
    private enum Channel: ~Copyable {
        case plain(Socket)
        case tls(TLSSession)
        case stream(VirtualStream)
        case closed
    }

    private var channel: Channel
    private var registration: Registration?
    /// What may move, as far as it was told.
    var canRead: Bool
    var canWrite: Bool
    /// The peer sends nothing more than what is there to be read; or the connection broke.
    private(set) var peerClosed = false

    /// A connection that was accepted: bytes may be there already.
    init(_ socket: consuming Socket) {
        channel = .plain(socket)
        canRead = true
        canWrite = true
    }

    /// A connection that has agreed on its keys, with what watches it.
    init(_ session: TLSSession, _ registration: Registration?, peerClosed: Bool) {
        channel = .tls(session)
        self.registration = registration
        self.peerClosed = peerClosed
        canRead = true
        canWrite = true
    }

    init(_ stream: VirtualStream) {
        channel = .stream(stream)
        canRead = true
        canWrite = true
    }

    private init(unconnected socket: consuming Socket) {
        channel = .plain(socket)
        canRead = false
        canWrite = false
    }

    /// A connection on its way: connected when it becomes writable and `connectError()` is 0.
    /// - Parameter peerGone: as for `Socket.breakWhenPeerIsGone`; nil for whoever is on this machine.
    static func connecting(to address: SocketAddress, peerGone: Milliseconds? = nil) throws(SystemError) -> Transport {
        let socket = try Socket.connecting(to: address)
        if let peerGone, address.port != nil { try socket.breakWhenPeerIsGone(after: peerGone) }
        return Transport(unconnected: socket)
    }

    /// The connection, for another owner: `register` tells who hears of it from then on.
    mutating func take() -> Transport {
        var taken = Transport()
        swap(&self, &taken)
        return taken
    }

    private init() {
        channel = .closed
        canRead = false
        canWrite = false
    }

    // MARK: Events

    /// Has `handler` told of readiness from now on. Nothing that was readable or writable before is told again.
    mutating func register(_ loop: EventLoop, _ handler: any EventHandler) throws(SystemError) {
        if let registration { return loop.rehome(registration, to: handler) }
        let registration: Registration?
        switch channel {
        case .plain(let socket): registration = try loop.register(socket, handler)
        case .tls(let session): registration = try loop.register(session.socket, handler)
        case .stream(let stream):
            stream.owner = handler
            registration = nil
        case .closed: registration = nil
        }
        self.registration = registration
    }

    /// Takes note of what the loop told.
    mutating func note(_ readiness: Readiness) {
        if readiness.canRead { canRead = true }
        if readiness.canWrite {
            canWrite = true
            if readingMayGoOn() { canRead = true }
        }
        if readiness.peerClosed { peerClosed = true }
    }

    /// Has TLS finish what it could not send; whether reading waited for that.
    private func readingMayGoOn() -> Bool {
        switch channel {
        case .plain: false
        case .tls(let session): session.noteWritable()
        case .stream: false
        case .closed: false
        }
    }

    /// Writing failed for good.
    mutating func noteBroken() { peerClosed = true }

    /// 0, or the negative errno why connecting failed.
    func connectError() -> Int32 {
        switch channel {
        case .plain(let socket): socket.takeError()
        case .tls(let session): session.socket.takeError()
        case .stream: 0
        case .closed: -ENOTCONN
        }
    }

    // MARK: Bytes

    /// Reads once into `input`.
    mutating func fill(_ input: inout InputBuffer, _ pool: BlockPool) -> Int {
        let room = input.room(pool)
        let count: Int
        let isDrained: Bool
        switch channel {
        case .plain(let socket):
            count = socket.receive(into: room)
            isDrained = count < room.count
        case .tls(let session):
            count = session.receive(into: room)
            isDrained = count < 0 || !session.mayHaveMore
        case .stream(let stream):
            count = stream.receive(into: room)
            isDrained = count < room.count
        case .closed:
            count = -Int(ENOTCONN)
            isDrained = true
        }
        if count > 0 { input.added(count) }
        // The end of the connection may lie behind the bytes: only then reading on after a short read is worth a call.
        if isDrained, !peerClosed || count < 0 { canRead = false }
        return count
    }

    mutating func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count: Int
        switch channel {
        case .plain(let socket): count = socket.send(bytes)
        case .tls(let session): count = session.send(bytes)
        case .stream(let stream): count = stream.send(bytes)
        case .closed: count = -Int(ENOTCONN)
        }
        if count < bytes.count { canWrite = false }
        return count
    }

    /// Sends two pieces at once.
    mutating func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        let count: Int
        switch channel {
        case .plain(let socket): count = socket.send(first, second)
        case .tls(let session): count = session.send(first, second)
        case .stream(let stream): count = stream.send(first, second)
        case .closed: count = -Int(ENOTCONN)
        }
        if count < first.count + second.count { canWrite = false }
        return count
    }

    /// Bytes that were sent and that the peer has not acknowledged; nil when that cannot be known.
    func unacknowledged() -> Int? {
        switch channel {
        case .plain(let socket): socket.unacknowledged()
        case .tls(let session): session.socket.unacknowledged()
        case .stream: nil
        case .closed: nil
        }
    }

    // MARK: Ends

    var isOpen: Bool {
        switch channel {
        case .plain(let socket): socket.isOpen
        case .tls(let session): session.socket.isOpen
        case .stream: true
        case .closed: false
        }
    }

    /// It is one stream of many on a connection.
    var isStream: Bool {
        switch channel {
        case .stream: true
        case .plain: false
        case .tls: false
        case .closed: false
        }
    }

    /// The peer did not process what was sent, and says so.
    var wasRefused: Bool {
        switch channel {
        case .stream(let stream): stream.wasRefused
        case .plain: false
        case .tls: false
        case .closed: false
        }
    }

    /// Whether the peer has sent nothing and has not closed: true for a pooled connection that may be used again.
    func isQuiet() -> Bool {
        switch channel {
        case .plain(let socket): socket.isQuiet()
        case .tls(let session): !session.mayHaveMore && session.socket.isQuiet()
        case .stream(let stream): stream.isQuiet
        case .closed: false
        }
    }

    /// Ends our direction; what was sent before still arrives.
    func endWriting() {
        switch channel {
        case .plain(let socket): socket.shutdownWrite()
        case .tls(let session): session.endWriting()
        case .stream(let stream): stream.endWriting()
        case .closed: break
        }
    }

    /// Closing will tell the peer that what it got is not whole.
    func resetOnClose() {
        switch channel {
        case .plain(let socket): socket.resetOnClose()
        case .tls(let session): session.resetOnClose()
        case .stream(let stream): stream.resetOnClose()
        case .closed: break
        }
    }

    /// Closes; no readiness is told any more.
    mutating func close(_ loop: EventLoop) {
        if let registration { loop.forget(registration) }
        registration = nil
        switch channel {
        case .plain: break
        case .tls(let session): session.close()
        case .stream(let stream):
            stream.owner = nil
            stream.close()
        case .closed: break
        }
        channel = .closed
    }

    // MARK: The peer

    func peerAddress() -> SocketAddress? {
        switch channel {
        case .plain(let socket): socket.peerAddress()
        case .tls(let session): session.socket.peerAddress()
        case .stream(let stream): stream.peer
        case .closed: nil
        }
    }

    /// Our address on the connection. Asks the system: nothing keeps it.
    func localAddress() -> SocketAddress? {
        switch channel {
        case .plain(let socket): socket.localAddress()
        case .tls(let session): session.socket.localAddress()
        case .stream(let stream): stream.local
        case .closed: nil
        }
    }

    /// What goes over the network is encrypted.
    var isSecure: Bool {
        switch channel {
        case .plain: false
        case .tls: true
        case .stream(let stream): stream.isSecure
        case .closed: false
        }
    }
}
