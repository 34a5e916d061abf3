package import SidekickModel

/// Adds up a service's load until some ten seconds are full.
package struct LoadRecorder: Hashable, Sendable {
    package static let length = Milliseconds.seconds(10)

    /// The record being filled; nil before the first sample and after each `take`.
    package private(set) var open: LoadRecord?

    package init() {}

    /// Takes in what the gateways measured up to `now`.
    package mutating func add(_ load: LoadSample, now: Instant) {
        var record =
            open
            ?? LoadRecord(
                at: now - Milliseconds(Int64(load.seconds * 1000)), seconds: 0, requests: 0, completions: 0, busySeconds: 0,
                peakInflight: 0)
        record.requests += load.arrivals
        record.completions += load.completions
        record.busySeconds += load.busyTime
        record.peakInflight = max(record.peakInflight, load.peakInflight)
        record.seconds = max(now - record.at, 0)
        open = record
    }

    /// The record once it is full; nil before, and nil for one in which nothing happened, which is not worth keeping.
    package mutating func take(now: Instant) -> LoadRecord? {
        guard let record = open, record.at + Self.length <= now else { return nil }
        open = nil
        return record.requests > 0 || record.peakInflight > 0 ? record : nil
    }
}
