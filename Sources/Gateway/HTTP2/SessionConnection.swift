import EventLoop
import Glibc
import HTTP2Translation
import HTTPFraming
import SidekickModel

/// One HTTP/2 connection: moves bytes between its transport and its session, and tells the streams' users what happened.
///
/// What a stream's user does is only queued; a turn sends it, so that all that happens in one turn of the loop leaves in one write.
class SessionConnection: EventHandler {
    /// Reads before other connections of the loop have their turn.
    private static let readsPerTurn = 16

    final let session: HTTP2Session
    /// Kept alive like `ClientConnection.worker`.
    final let worker: Worker
    final let peer: SocketAddress?
    /// Asked of the system once, when a stream first wants to know.
    final private(set) lazy var local = transport.localAddress()
    final let isSecure: Bool
    final var transport: Transport
    /// When bytes came last, when the peer last took some, and when the last stream ended.
    final private(set) var heardAt: Instant
    final private(set) var takenAt: Instant
    final private(set) var idleSince: Instant
    final private(set) var isClosed = false
    private var input = InputBuffer()
    private var isPlanned = false
    private var isTurning = false

    init(_ session: HTTP2Session, _ worker: Worker, _ transport: consuming Transport) {
        self.session = session
        self.worker = worker
        peer = transport.peerAddress()
        isSecure = transport.isSecure
        heardAt = worker.now
        takenAt = worker.now
        idleSince = worker.now
        self.transport = transport
    }

    // MARK: For the kinds of connections

    /// A stream that the peer opened.
    func arrived(_ stream: HTTP2Stream) {}
    /// The end of a turn: what was waited for may have changed.
    func turned() {}
    /// The connection is closed, its streams are broken.
    func ended() {}

    // MARK: Events

    func ready(_ readiness: Readiness) {
        guard !isClosed else { return }
        transport.note(readiness)
        if readiness.isError { return close() }
        turn()
    }

    func expired(_ tag: Int) {}

    /// Bytes that were read before the session was there.
    final func begin(with early: UnsafeRawBufferPointer) {
        session.receive(early, now: worker.now.nanoseconds)
        turn()
    }

    private var mayRead: Bool { transport.canRead && !isClosed && session.failure == nil && !session.isCongested }

    private func read() {
        var reads = 0
        while mayRead, reads < Self.readsPerTurn {
            reads += 1
            let count = transport.fill(&input, worker.pool)
            guard count > 0 else {
                if count == -Int(EAGAIN) { break }
                return close()
            }
            heardAt = worker.now
            session.receive(input.bytes, now: worker.now.nanoseconds)
            input.consume(count)
            dispatch()
        }
        input.rest(worker.pool)
    }

    private func dispatch() {
        for stream in session.takeArrivals() { arrived(stream) }
        for (stream, news) in session.takeNews() { (stream.user as? SessionStream)?.tell(news) }
    }

    /// Has a turn taken at the end of this turn of the loop.
    final func plan() {
        guard !isPlanned, !isTurning, !isClosed else { return }
        isPlanned = true
        worker.loop.later { [self] in
            isPlanned = false
            turn()
        }
    }

    final func turn() {
        guard !isTurning, !isClosed else { return }
        isTurning = true
        read()
        converse()
        isTurning = false
        if mayRead { plan() }
    }

    /// Tells and sends, until there is nothing to tell and nothing that can be sent.
    private func converse() {
        repeat {
            dispatch()
            session.produce()
            send()
        } while !isClosed && (session.hasNews || (session.output.isEmpty && session.wantsToSend))
        guard !isClosed else { return }
        if session.openStreams > 0 { idleSince = worker.now }
        if session.output.isEmpty, session.failure != nil || session.isFinished { return close() }
        turned()
    }

    private func send() {
        if session.output.isEmpty { takenAt = worker.now }
        while !session.output.isEmpty, transport.canWrite {
            let count = transport.send(session.output.bytes)
            if count > 0 {
                session.output.consume(count)
                takenAt = worker.now
            } else if count != -Int(EAGAIN) {
                return close()
            }
        }
        if session.output.isEmpty { session.output.clear() }
    }

    /// Ends the connection. Streams under way are broken.
    final func close() {
        guard !isClosed else { return }
        isClosed = true
        session.breakOff()
        if session.output.isEmpty { transport.endWriting() }
        transport.close(worker.loop)
        input.discard(worker.pool)
        dispatch()
        ended()
    }
}
