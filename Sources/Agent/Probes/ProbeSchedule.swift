import SidekickModel

/// When the next check of a probe is due.
///
/// A replica on its way up is asked after 1 ms at first, and then every 25th part of the time it has taken so far: readiness is
/// seen within 1 ms or 4% of the replica's own start, whichever is longer, at no more than about 110 checks in a start of one
/// second. No pause is longer than the probe's own interval.
struct ProbeSchedule: Hashable, Sendable {
    let every: Milliseconds
    let startedAt: Instant
    /// Until the first success.
    var eager: Bool

    /// How long after a check that ended at `now` the next one begins, in nanoseconds.
    func pause(now: Instant) -> Int64 {
        guard eager else { return every.nanoseconds }
        let taken = now.nanoseconds - startedAt.nanoseconds
        return min(every.nanoseconds, max(1_000_000, taken / 25))
    }
}
