package import HTTPFraming

/// What one HTTP/2 session allows its peer.
package struct HTTP2Settings: Hashable, Sendable {
    /// Streams the peer may have open at once.
    package var streams: UInt32 = 128
    /// Bytes of one stream's data the peer may send before they are read.
    package var streamWindow: Int32 = 64 << 10
    /// Bytes over all streams; as data in its streams' windows are credited here when they arrive, it bounds a burst and holds nobody up.
    package var sessionWindow: Int32 = 1 << 20
    /// Bytes the session keeps ready for the peer before its streams have to wait.
    package var outputBytes = 64 << 10
    package var framing = FramingLimits()

    package init() {}
}

/// Tells abuse from use: frames that cost more to take than to send (resets, pings, settings, empty data) spend an allowance, which
/// time and answered requests fill up.
///
/// A client that cancels most of its requests as soon as it has sent them (CVE-2023-44487) has spent it after 200 of them; one that lets
/// every second request be answered never does, nor one that cancels 20 in a second.
struct Allowance: Hashable, Sendable {
    static let full = 1000
    /// For a stream that the peer resets, and for one that is answered.
    static let reset = 5
    static let perSecond = 100

    private(set) var left = full
    private var filledAt: Int64 = 0

    mutating func fill(_ amount: Int) { left = min(Self.full, left + amount) }

    /// `now` in nanoseconds of a clock that never goes back.
    mutating func pass(to now: Int64) {
        let elapsed = now - filledAt
        guard elapsed > 50_000_000 else { return }
        fill(Int(min(elapsed, 60_000_000_000) / (1_000_000_000 / Int64(Self.perSecond))))
        filledAt = now
    }

    /// Whether it was still there to be spent.
    mutating func spend(_ amount: Int) -> Bool {
        left -= amount
        return left >= 0
    }
}
