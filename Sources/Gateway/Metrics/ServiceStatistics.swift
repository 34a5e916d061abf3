import Synchronization

/// Counts what became of one service's requests, over all loops.
final class ServiceStatistics: Sendable {
    private let classes = StatusCounts()
    private let total = LatencyHistogram()
    private let hold = LatencyHistogram()
    private let bytes = Atomic<UInt64>(0)

    /// Counts one request that ended. `status` is what the client was answered, 0 when it got no whole response. `took` is the time from
    /// the whole head to the end of the response, `held` the part of it before a replica got the request, both in nanoseconds; `sent` is
    /// how long the response's body was.
    func count(status: Int, took: Int64, held: Int64, sent: Int) {
        classes.count(status)
        total.count(took)
        hold.count(held)
        bytes.wrappingAdd(UInt64(sent), ordering: .relaxed)
    }

    /// What was counted since the gateway started.
    struct Snapshot {
        /// By the status' first digit.
        var classes: [UInt64]
        var total: LatencyHistogram.Snapshot
        var hold: LatencyHistogram.Snapshot
        var bytes: UInt64
    }

    var snapshot: Snapshot {
        Snapshot(
            classes: classes.snapshot, total: total.snapshot, hold: hold.snapshot, bytes: bytes.load(ordering: .relaxed))
    }
}

/// Counts what became of one replica's requests, over all loops.
final class ReplicaStatistics: Sendable {
    private let classes = StatusCounts()
    private let time = LatencyHistogram()

    /// Counts one request the replica had: what its client was answered, and how many nanoseconds after the replica was chosen the
    /// response had ended.
    func count(status: Int, took: Int64) {
        classes.count(status)
        time.count(took)
    }

    /// What was counted since the replica was first routed to.
    struct Snapshot {
        /// By the status' first digit.
        var classes: [UInt64]
        var time: LatencyHistogram.Snapshot
    }

    var snapshot: Snapshot { Snapshot(classes: classes.snapshot, time: time.snapshot) }
}
