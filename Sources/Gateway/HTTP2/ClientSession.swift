import EventLoop
import HTTP2Translation
import HTTPFraming
import Logging
import SidekickModel

/// A client that speaks HTTP/2: each of its streams becomes a client's connection of its own.
final class ClientSession: SessionConnection {
    /// Between telling a client that the gateway stops and taking nothing more: what it had sent by then is served.
    private static let farewell = Milliseconds(200)

    /// In the worker's list of sessions.
    var place = -1
    private let client: ClientName
    private var timer: (id: TimerID, at: Instant)?
    private var deadline = Instant(nanoseconds: .max)
    /// When the head that is being read began.
    private var headSince: Instant?
    private var leavesAt: Instant?

    init?(_ worker: Worker, _ transport: consuming Transport, _ client: ClientName) {
        guard let session = HTTP2Session(.server, worker.configuration.http2) else { return nil }
        self.client = client
        super.init(session, worker, transport)
        do throws(SystemError) {
            try self.transport.register(worker.loop, self)
        } catch {
            worker.hub.log.error("\(error)")
            return nil
        }
    }

    override func arrived(_ stream: HTTP2Stream) {
        worker.opened(SessionStream(stream, on: self), client: client)
    }

    override func turned() {
        headSince = session.isInHead ? headSince ?? worker.now : nil
        var next = leavesAt ?? Instant(nanoseconds: .max)
        let timeouts = worker.configuration.timeouts
        if !session.output.isEmpty { next = min(next, takenAt + timeouts.client) }
        if let headSince { next = min(next, headSince + timeouts.head) }
        if session.openStreams == 0, session.output.isEmpty, headSince == nil {
            next = min(next, max(idleSince, heardAt) + timeouts.keepAlive)
        }
        wait(until: next)
    }

    /// A timer that rings too early is set again; it is moved only when it would ring too late.
    private func wait(until new: Instant) {
        deadline = new
        guard new.nanoseconds != .max else { return }
        if let timer {
            guard new < timer.at, worker.loop.reschedule(timer.id, at: new) else { return }
            self.timer = (timer.id, new)
        } else {
            timer = (worker.loop.schedule(at: new, self), new)
        }
    }

    override func expired(_ tag: Int) {
        timer = nil
        guard !isClosed, deadline.nanoseconds != .max else { return }
        guard deadline <= worker.now else { return wait(until: deadline) }
        if let leavesAt, leavesAt <= worker.now {
            self.leavesAt = nil
            session.leave(soon: false)
            turn()
        } else if session.openStreams == 0, session.output.isEmpty, headSince == nil {
            session.leave(soon: false)
            turn()
        } else {
            // It takes nothing, or sends a head in drops.
            transport.resetOnClose()
            close()
        }
    }

    /// The gateway stops: streams there are finish, new ones are to go elsewhere.
    func drain() {
        guard !isClosed, !session.isLeaving, leavesAt == nil else { return }
        session.leave(soon: true)
        leavesAt = worker.now + Self.farewell
        turn()
    }

    override func ended() {
        if let timer { worker.loop.cancel(timer.id) }
        timer = nil
        worker.ended(self)
    }
}
