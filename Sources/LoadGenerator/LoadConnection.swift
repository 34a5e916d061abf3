import EventLoop
import Glibc
import SidekickModel

/// One keep-alive connection that carries one request at a time. Lives on the engine's thread.
final class LoadConnection: EventHandler {
    enum State { case connecting, idle, busy, closed }

    let number: Int
    private unowned let engine: LoadEngine
    private var socket: Socket
    private var registration: Registration?
    private(set) var state = State.connecting
    /// The request it carries, or will carry once connected.
    private(set) var request: PendingRequest?
    private(set) var idleSince = Instant.zero
    private var output: [UInt8] = []
    private var written = 0
    private var reader: ResponseReader
    private var carried = 0

    init(_ engine: LoadEngine, number: Int, first request: PendingRequest) throws(SystemError) {
        self.engine = engine
        self.number = number
        self.request = request
        reader = ResponseReader(toHead: engine.plan.method == "HEAD")
        socket = try Socket.connecting(to: engine.plan.address)
        registration = try engine.loop.register(socket, self)
    }

    /// Sends `request` unless the server has closed this idle connection; then false, and the connection is closed.
    func take(_ request: PendingRequest) -> Bool {
        guard socket.isQuiet() else {
            close()
            return false
        }
        self.request = request
        return start()
    }

    func close() {
        guard state != .closed else { return }
        state = .closed
        if let registration { engine.loop.forget(registration) }
        socket.close()
        engine.closed(self)
    }

    /// Ends the request as `outcome`, and the connection with it.
    func fail(_ outcome: RequestOutcome) {
        let request = request
        self.request = nil
        close()
        if let request { engine.finished(request, outcome, version: nil) }
    }

    func ready(_ readiness: Readiness) {
        if state == .connecting, readiness.canWrite || readiness.isBroken {
            let error = socket.takeError()
            guard error == 0 else { return fail(.refused(SystemError.text(-error))) }
            guard start() else { return }
        } else if state == .busy, readiness.canWrite, written < output.count {
            guard write() else {
                if let request { engine.sendElsewhere(request) }
                return
            }
        }
        if readiness.canRead, state != .closed { read(untilEnd: readiness.peerClosed) }
    }

    // MARK: Sending

    /// False when the connection turned out dead before a byte was written and the request was handed back.
    private func start() -> Bool {
        guard var request else { return true }
        state = .busy
        engine.write(request, into: &output)
        written = 0
        reader.reset()
        request.sent = engine.elapsed()
        request.connection = number
        self.request = request
        return write()
    }

    private func write() -> Bool {
        while written < output.count {
            let count = output.withUnsafeBytes { socket.send(UnsafeRawBufferPointer(rebasing: $0[written...])) }
            if count == -Int(EAGAIN) { return true }
            guard count >= 0 else { return writeFailed() }
            written += count
        }
        return true
    }

    private func writeFailed() -> Bool {
        if written == 0, carried > 0 {
            close()
            return false
        }
        // The server may have answered and closed before it read all of the request: that answer counts.
        read(untilEnd: true)
        if state == .busy { fail(.reset) }
        return true
    }

    // MARK: Receiving

    private func read(untilEnd: Bool) {
        let buffer = engine.receiveBuffer
        while state == .busy || state == .idle {
            let count = socket.receive(into: buffer)
            if count == -Int(EAGAIN) { return }
            guard count > 0 else { return ended(cleanly: count == 0) }
            guard state == .busy else { return close() }
            let wholeBuffer = count == buffer.count
            handle(reader.read(UnsafeRawBufferPointer(rebasing: buffer[..<count])))
            if !wholeBuffer, !untilEnd { return }
        }
    }

    private func ended(cleanly: Bool) {
        guard state == .busy else { return close() }
        let progress = cleanly ? reader.atEnd() : .more
        if case .more = progress { fail(.reset) } else { handle(progress) }
    }

    private func handle(_ progress: ResponseReader.Progress) {
        switch progress {
        case .more: return
        case .bad(let why): fail(.badResponse(why))
        case .complete(let status, let reusable):
            guard let request else { return }
            self.request = nil
            carried += 1
            let version = reader.version
            // An answer that came before the whole request was sent leaves the connection in the middle of that request.
            if reusable, written == output.count {
                state = .idle
                idleSince = engine.loop.now
            } else {
                close()
            }
            engine.finished(request, .answered(status), version: version)
            if state == .idle { engine.idle(self) }
        }
    }
}
