import SidekickModel
import Synchronization

/// Counts what became of one service's requests, over all loops.
final class ServiceStatistics: Sendable {
    /// Upper bounds of the duration buckets, in nanoseconds; one more bucket holds what took longer.
    static let bounds: [Int64] = [
        500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
        1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000,
    ]

    /// By the status' first digit; 0 for requests whose client left or whose response was cut.
    private let classes = InlineArray<6, Atomic<UInt64>> { _ in Atomic(0) }
    private let buckets = InlineArray<16, Atomic<UInt64>> { _ in Atomic(0) }
    private let nanoseconds = Atomic<UInt64>(0)

    /// Counts one request that ended. `status` is what the client was answered, 0 when it got no whole response.
    func count(status: Int, took: Int64) {
        classes[min(5, max(0, status / 100))].wrappingAdd(1, ordering: .relaxed)
        var bucket = 0
        while bucket < Self.bounds.count, took > Self.bounds[bucket] { bucket += 1 }
        buckets[bucket].wrappingAdd(1, ordering: .relaxed)
        nanoseconds.wrappingAdd(UInt64(max(0, took)), ordering: .relaxed)
    }

    /// What was counted since the gateway started.
    struct Snapshot {
        /// By the status' first digit.
        var classes: [UInt64]
        /// Not cumulative, in the order of `bounds`, then the rest.
        var buckets: [UInt64]
        var seconds: Double
    }

    var snapshot: Snapshot {
        Snapshot(
            classes: classes.indices.map { classes[$0].load(ordering: .relaxed) },
            buckets: buckets.indices.map { buckets[$0].load(ordering: .relaxed) },
            seconds: Double(nanoseconds.load(ordering: .relaxed)) / 1e9)
    }
}
