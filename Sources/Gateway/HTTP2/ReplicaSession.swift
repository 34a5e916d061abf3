import EventLoop
import HTTP2Translation
import SidekickModel

/// One connection to a replica that speaks HTTP/2, shared by the requests of its loop.
final class ReplicaSession: SessionConnection {
    /// A replica that answers no ping for so long is gone.
    private static let answerTime = Milliseconds.seconds(10)

    let target: Int32
    private(set) var isConnected = false
    private var streams: [ObjectIdentifier: SessionStream] = [:]
    private var pingedAt: Instant?
    private(set) var hasCarried = false

    init?(_ worker: Worker, _ target: Int32, _ transport: consuming Transport) throws(SystemError) {
        guard let session = HTTP2Session(.client, worker.configuration.http2) else { return nil }
        self.target = target
        super.init(session, worker, transport)
        try self.transport.register(worker.loop, self)
    }

    var canOpen: Bool { !isClosed && session.canOpen }

    func open() -> SessionStream {
        hasCarried = hasCarried || isConnected
        let stream = SessionStream(session.openStream(), on: self)
        if !isConnected { streams[ObjectIdentifier(stream)] = stream }
        return stream
    }

    override func ready(_ readiness: Readiness) {
        if !isConnected {
            guard readiness.canWrite || readiness.isBroken, !isClosed else { return }
            guard transport.connectError() == 0, !readiness.isBroken else { return close() }
            isConnected = true
            transport.note(readiness)
            let waiting = streams.values
            streams = [:]
            for stream in waiting { stream.signal(.writable) }
        }
        super.ready(readiness)
    }

    override func ended() {
        let waiting = streams.values
        streams = [:]
        for stream in waiting { stream.signal(.broken) }
        worker.ended(self)
    }

    /// Looks after the connection, every few seconds: one unused since `limit` is closed, one long silent is asked whether it lives.
    func sweep(unusedSince limit: Instant) {
        guard !isClosed, isConnected else { return }
        if session.openStreams == 0 {
            if idleSince < limit { session.leave(soon: false) }
            return turn()
        }
        if let asked = pingedAt, heardAt < asked {
            if asked + Self.answerTime <= worker.now { close() }
            return
        }
        pingedAt = nil
        // No sooner, as servers of gRPC take more pings than one in five minutes for abuse.
        guard heardAt + worker.configuration.timeouts.replica <= worker.now else { return }
        pingedAt = worker.now
        session.ping()
        turn()
    }
}
