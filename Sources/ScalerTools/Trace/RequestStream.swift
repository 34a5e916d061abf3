#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The single requests of a trace: Poisson arrivals at its rates, and log-normal service times. The same for the same seed.
package struct RequestStream: Sendable {
    package let arrivals: [Double]
    package let serviceTimes: [Double]

    /// - Parameters:
    ///   - service: mean service time in seconds.
    ///   - variation: standard deviation over mean of the service times; 0 means all are equal.
    package init(_ trace: LoadTrace, service: Double, variation: Double, seed: UInt64) {
        var random = SplitMix64(state: seed)
        var arrivals: [Double] = []
        arrivals.reserveCapacity(Int(trace.requests * 1.1) + 16)
        for step in trace.steps where step.requestsPerSecond > 0 {
            var time = step.at
            while true {
                time -= log(1 - random.unit()) / step.requestsPerSecond
                if time >= step.at + step.seconds { break }
                arrivals.append(time)
            }
        }
        let spread = log(1 + variation * variation)
        let middle = log(service) - spread / 2
        serviceTimes = arrivals.map { _ in
            variation > 0
                ? exp(middle + spread.squareRoot() * (-2 * log(1 - random.unit())).squareRoot() * cos(2 * .pi * random.unit()))
                : service
        }
        self.arrivals = arrivals
    }

    /// The most requests in flight at once were none to wait: what a fixed count has to be made for.
    package var peakInFlight: Int {
        let ends = zip(arrivals, serviceTimes).map { $0 + $1 }.sorted()
        var (peak, inFlight, next) = (0, 0, 0)
        for arrival in arrivals {
            while next < ends.count, ends[next] <= arrival {
                inFlight -= 1
                next += 1
            }
            inFlight += 1
            peak = max(peak, inFlight)
        }
        return peak
    }
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
private struct SplitMix64 {
    var state: UInt64

    mutating func unit() -> Double {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Double((z ^ (z >> 31)) >> 11) / 9_007_199_254_740_992
    }
}
