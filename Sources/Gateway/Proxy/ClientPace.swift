import SidekickModel

/// How long a client that sends its body or takes its response may still be waited for. Each byte it moves buys time at the least rate
/// allowed, up to a grace, so that one who moves a byte now and then cannot hold a place for ever.
struct ClientPace {
    private let grace: Int64
    /// What one byte buys; 0 when there is no least rate.
    private let perByte: Int64
    private var credit: Int64
    /// Since when it is waited for.
    private var since: Instant?

    /// - Parameter rate: bytes a second; 0 for none.
    init(rate: Int, grace: Milliseconds) {
        perByte = rate > 0 ? 1_000_000_000 / Int64(rate) : 0
        self.grace = grace.nanoseconds
        credit = grace.nanoseconds
    }

    /// When patience ends, if nothing moves until then; nil for never.
    mutating func waiting(now: Instant) -> Instant? {
        guard perByte > 0 else { return nil }
        let start = since ?? now
        since = start
        return Instant(nanoseconds: start.nanoseconds + credit)
    }

    /// It is not the client that is waited for.
    @inline(__always)
    mutating func pause(now: Instant) {
        guard let since else { return }
        credit = max(0, credit - (now.nanoseconds - since.nanoseconds))
        self.since = nil
    }

    /// A new request begins.
    @inline(__always)
    mutating func renew() {
        credit = grace
        since = nil
    }

    @inline(__always)
    mutating func moved(_ bytes: Int, now: Instant) {
        guard perByte > 0 else { return }
        if let since {
            credit = max(0, credit - (now.nanoseconds - since.nanoseconds))
            self.since = now
        }
        // More bytes than fill the credit would overflow nothing but help nobody.
        credit = min(grace, credit + Int64(min(bytes, 1 << 20)) * perByte)
    }
}
