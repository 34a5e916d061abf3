package import SidekickModel

/// When a replica that keeps failing gets no requests for a while.
package struct OutlierPolicy: Hashable, Sendable {
    /// Failures in a row, without one success between them, after which a replica is ejected.
    package var failures = 5
    /// For how long the first time; each further time in a row twice as long.
    package var first = Milliseconds.seconds(5)
    /// For how long at most.
    package var longest = Milliseconds.seconds(300)

    package init() {}
}

/// How one endpoint has done lately: *in*, or *ejected* until a moment. A failure is a request it broke, answered with nonsense or did not
/// answer in time; what it says in a proper response, 5xx too, is its own business and counts as a success.
struct OutlierRecord: Hashable, Sendable {
    /// Failures since the last success or ejection.
    private(set) var failures = 0
    /// Ejections without a good time as long as the last one between them.
    private(set) var ejections = 0
    private(set) var until = Instant.zero
    private var span = Milliseconds(0)

    func isEjected(_ now: Instant) -> Bool { until > now }

    mutating func succeeded(_ now: Instant) {
        failures = 0
        if ejections > 0, until + span <= now { ejections = 0 }
    }

    /// Whether it should be ejected now. What was sent before an ejection may fail during it: that says nothing new.
    mutating func failed(_ policy: OutlierPolicy, _ now: Instant) -> Bool {
        guard !isEjected(now) else { return false }
        failures += 1
        return failures >= policy.failures
    }

    /// Ejects: with the defaults for 5, 10, 20, 40, 80, 160 and then 300 s.
    mutating func eject(_ policy: OutlierPolicy, _ now: Instant) {
        span = Milliseconds(min(policy.longest.count, policy.first.count << Int64(min(ejections, 16))))
        ejections += 1
        failures = 0
        until = now + span
    }

    /// Takes an ejection back.
    mutating func reinstate() { until = .zero }
}
