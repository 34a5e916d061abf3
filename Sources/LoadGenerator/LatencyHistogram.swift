import Histogram

/// Latencies in nanoseconds, three significant digits, up to an hour.
struct LatencyHistogram {
    private static let highest: UInt64 = 3_600_000_000_000
    private var histogram = Histogram<UInt32>(highestTrackableValue: Self.highest, numberOfSignificantValueDigits: .three)

    mutating func record(_ nanoseconds: Int64) { histogram.record(min(Self.highest, UInt64(max(0, nanoseconds)))) }

    mutating func reset() { histogram.reset() }

    var summary: LatencySummary {
        func milliseconds(_ percentile: Double) -> Double { Double(histogram.valueAtPercentile(percentile) / 1000) / 1000 }
        guard histogram.totalCount > 0 else {
            return LatencySummary(count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0)
        }
        return LatencySummary(
            count: Int(histogram.totalCount), mean: (histogram.mean / 1000).rounded() / 1000, p50: milliseconds(50),
            p90: milliseconds(90), p99: milliseconds(99), p999: milliseconds(99.9), max: milliseconds(100))
    }
}
