import SidekickModel

/// How long a client is waited for that sends or takes less than it could.
extension ClientConnection {
    /// The next deadline is the client's.
    func waitForClient() {
        let longest = worker.now + timeouts.client
        wait(until: min(longest, pace.waiting(now: worker.now) ?? longest))
    }

    /// Bytes of a response went out.
    @inline(__always)
    func sent(_ count: Int) {
        pace.moved(count, now: worker.now)
        if let before = unacknowledged { unacknowledged = before + count }
    }

    /// Patience with a client that takes its response is over, as far as writing shows. But the kernel holds much for it, and tells of room
    /// only when a good part of that is gone: whether the client takes it is asked then. True when it is given more time.
    func takesOn() -> Bool {
        guard let left = transport.unacknowledged(), left > 0 else { return false }
        let before = unacknowledged
        unacknowledged = left
        if let before {
            let taken = before - left
            // Less than a second's worth at the least rate is no taking.
            guard taken > worker.configuration.minimumRate else { return false }
            pace.moved(taken, now: worker.now)
        } else {
            // Looked at for the first time: what it takes shows next time.
            pace.renew()
        }
        waitForClient()
        return true
    }
}
