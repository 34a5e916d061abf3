import Synchronization

/// Counts durations in buckets, over all loops.
struct LatencyHistogram: ~Copyable, Sendable {
    /// Upper bounds of the buckets, in nanoseconds; one more bucket holds what took longer.
    static let bounds: [Int64] = [
        500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
        1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000,
    ]

    private let buckets = InlineArray<16, Atomic<UInt64>> { _ in Atomic(0) }
    private let nanoseconds = Atomic<UInt64>(0)

    func count(_ took: Int64) {
        buckets[Self.bucket(of: took)].wrappingAdd(1, ordering: .relaxed)
        nanoseconds.wrappingAdd(UInt64(max(0, took)), ordering: .relaxed)
    }

    private static func bucket(of took: Int64) -> Int {
        bounds.withUnsafeBufferPointer { bounds in
            var bucket = 0
            while bucket < bounds.count, took > bounds[bucket] { bucket &+= 1 }
            return bucket
        }
    }

    /// What was counted since the gateway started.
    struct Snapshot: Equatable {
        /// Not cumulative, in the order of `bounds`, then the rest.
        var buckets: [UInt64]
        var seconds: Double
    }

    var snapshot: Snapshot {
        Snapshot(
            buckets: buckets.indices.map { buckets[$0].load(ordering: .relaxed) },
            seconds: Double(nanoseconds.load(ordering: .relaxed)) / 1e9)
    }
}

/// Counts requests by the first digit of their status; 0 for requests whose client left or whose response was cut.
struct StatusCounts: ~Copyable, Sendable {
    private let classes = InlineArray<6, Atomic<UInt64>> { _ in Atomic(0) }

    func count(_ status: Int) { classes[min(5, max(0, status / 100))].wrappingAdd(1, ordering: .relaxed) }

    var snapshot: [UInt64] { classes.indices.map { classes[$0].load(ordering: .relaxed) } }
}
