import EventLoop
import Logging
import SidekickModel
import TLS

/// A connection that has not yet agreed on its keys. It becomes a client's connection when it has.
final class TLSHandshake: EventHandler {
    private let session: TLSSession
    private let handshakes: Handshakes
    private unowned let worker: Worker
    private var registration: Registration?
    private var timer: TimerID?
    private var peerClosed = false
    private var isOver = false
    /// It waits for its turn on a busy loop.
    fileprivate var isQueued = false
    fileprivate let place: Int

    fileprivate init(_ session: TLSSession, _ handshakes: Handshakes, _ worker: Worker, place: Int) {
        self.session = session
        self.handshakes = handshakes
        self.worker = worker
        self.place = place
    }

    fileprivate func begin() {
        do throws(SystemError) {
            registration = try worker.loop.register(session.socket, self)
        } catch {
            worker.hub.log.error("\(error)")
            return close()
        }
        timer = worker.loop.schedule(at: worker.now + worker.configuration.timeouts.handshake, self)
        handshakes.step(self)
    }

    func ready(_ readiness: Readiness) {
        if readiness.peerClosed { peerClosed = true }
        guard !isOver else { return }
        handshakes.step(self)
    }

    func expired(_ tag: Int) {
        timer = nil
        handshakes.statistics.count(.timedOut)
        close()
    }

    fileprivate func proceed() {
        guard !isOver else { return }
        switch session.handshake() {
        case .again: if peerClosed { fail("it ended the connection") }
        case .failed(let error, let isPlainHTTP):
            if isPlainHTTP { session.sendPlain(Self.plainHTTPAnswer) }
            fail("\(error)")
        case .done: finish()
        }
    }

    private static let plainHTTPAnswer: StaticString = """
        HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 37\r\nConnection: close\r\n\r\n\
        this port speaks https: and not http\n
        """

    private func fail(_ reason: String) {
        worker.hub.log.debug("a TLS client was refused: \(reason)")
        handshakes.statistics.count(.failed)
        close()
    }

    private func finish() {
        handshakes.statistics.count(session.isResumed ? .resumed : .full)
        let transport = Transport(session, registration, peerClosed: peerClosed)
        registration = nil
        end()
        worker.agreed(transport, speaks: session.negotiated)
    }

    /// Makes room for others.
    fileprivate func evict() {
        handshakes.statistics.count(.evicted)
        close()
    }

    func close() {
        guard !isOver else { return }
        if let registration { worker.loop.forget(registration) }
        registration = nil
        session.close()
        end()
    }

    private func end() {
        isOver = true
        if let timer { worker.loop.cancel(timer) }
        timer = nil
        handshakes.ended(self)
    }
}

/// The handshakes of one loop: how many at most, and how much of the loop's time they may take.
final class Handshakes {
    /// Beyond it the oldest makes room: under a flood that is one that nobody means to finish.
    private static let limit = 1024
    /// Seconds of one turn of the loop. A private key's operation takes up to a millisecond, and requests on the connections there are come first.
    private static let share = 0.002

    let statistics: TLSStatistics
    private let server: TLSServer
    private let records = RecordBuffer()
    private unowned let worker: Worker
    private var ring = [TLSHandshake?](repeating: nil, count: limit)
    private var next = 0
    private(set) var count = 0
    private var queue: [TLSHandshake] = []

    init(_ server: TLSServer, _ statistics: TLSStatistics, worker: Worker) {
        self.server = server
        self.statistics = statistics
        self.worker = worker
    }

    func begin(_ socket: consuming Socket) {
        do throws(TLSError) {
            let session = try TLSSession(server, socket, records)
            ring[next]?.evict()
            let handshake = TLSHandshake(session, self, worker, place: next)
            ring[next] = handshake
            next = (next + 1) % Self.limit
            count += 1
            statistics.open(1)
            handshake.begin()
        } catch {
            worker.hub.log.error("\(error)")
        }
    }

    /// Goes on with a handshake now, or in the next turn of the loop when this one has spent its share.
    fileprivate func step(_ handshake: TLSHandshake) {
        guard !handshake.isQueued else { return }
        guard EventLoop.monotonicNow() - worker.now >= Self.share else { return handshake.proceed() }
        handshake.isQueued = true
        if queue.isEmpty { worker.loop.later { [self] in takeQueue() } }
        queue.append(handshake)
    }

    private func takeQueue() {
        let waiting = queue
        queue = []
        for handshake in waiting {
            handshake.isQueued = false
            step(handshake)
        }
    }

    fileprivate func ended(_ handshake: TLSHandshake) {
        guard ring[handshake.place] === handshake else { return }
        ring[handshake.place] = nil
        count -= 1
        statistics.open(-1)
        worker.handshakeEnded()
    }

    func closeAll() { for handshake in ring { handshake?.close() } }
}
