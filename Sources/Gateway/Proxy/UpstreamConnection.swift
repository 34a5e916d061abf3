import EventLoop
import HTTPFraming
import SidekickModel

/// One connection to a replica, carrying one request of one client at a time, or unused.
final class UpstreamConnection: EventHandler {
    let target: Int32
    /// The client whose request it carries.
    var client: ClientConnection?
    var isIdle = false
    var idleSince = Instant.zero
    private(set) var isConnected = false
    /// Carried an earlier request, so that the replica may have been about to close it.
    var isReused = false
    /// What may move, as far as the kernel has said.
    var canRead = false
    var canWrite = false
    private(set) var peerClosed = false
    var input = InputBuffer()
    var scanner: ResponseScanner
    private var socket: Socket
    private var registration: Registration?
    private unowned let worker: Worker

    init(worker: Worker, target: Int32, address: SocketAddress) throws(SystemError) {
        self.worker = worker
        self.target = target
        scanner = ResponseScanner(limits: worker.configuration.framing)
        socket = try Socket.connecting(to: address)
        registration = try worker.loop.register(socket, self)
    }

    func ready(_ readiness: Readiness) {
        guard let client else {
            // Unused, and the replica closed it or sends what nobody asked for.
            if readiness.canRead, isConnected || readiness.isBroken {
                if isIdle { worker.forgetIdle(self) }
                close()
            }
            return
        }
        if !isConnected {
            guard readiness.canWrite || readiness.isBroken else { return }
            guard socket.takeError() == 0, !readiness.isBroken else { return client.connectFailed() }
            isConnected = true
        }
        if readiness.canRead { canRead = true }
        if readiness.peerClosed { peerClosed = true }
        if readiness.canWrite { canWrite = true }
        client.upstreamReady()
    }

    var isQuiet: Bool { socket.isQuiet() }

    /// Reads once into `input`.
    func fill() -> Int {
        var drained = false
        let count = input.fill(socket, worker.pool, drained: &drained)
        // The end of the connection may lie behind the bytes: only then reading on is worth a call.
        if drained, !peerClosed || count < 0 { canRead = false }
        return count
    }

    func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count = socket.send(bytes)
        if count < bytes.count { canWrite = false }
        return count
    }

    func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        let count = socket.send(first, second)
        if count < first.count + second.count { canWrite = false }
        return count
    }

    func endWriting() { socket.shutdownWrite() }

    /// Whether another request may follow the one just answered.
    var isReusable: Bool { input.isEmpty && !peerClosed && socket.isOpen }

    func rest() { input.rest(worker.pool) }

    func close() {
        if let registration { worker.loop.forget(registration) }
        registration = nil
        socket.close()
        input.discard(worker.pool)
        client = nil
    }
}
