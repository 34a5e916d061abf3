package import SidekickModel

/// What the gateways measured of one service since the autoscaler was last asked, gateway by gateway, so that it can be added up and
/// that a missing gateway is noticed.
package struct LoadWindow: Hashable, Sendable {
    /// A gateway whose newest sample is older counts as missing: three of its one-second reports.
    package static let staleAfter = Milliseconds(3500)

    private struct Gateway: Hashable, Sendable {
        var newest: LoadSample
        var at: Instant
        /// Since the last `take`; counts add up, averages are weighted by time.
        var seconds = 0.0
        var inflightTime = 0.0
        var busyTimeByAverage = 0.0
        var busyTime = 0.0
        var peak = 0
        var arrivals = 0
        var completions = 0
        var failures = 0

        mutating func startOver() { self = Gateway(newest: newest, at: at) }
    }

    private var gateways: [String: Gateway] = [:]

    package init() {}

    /// Whether anything came in since the last `take`.
    package var isFresh: Bool { gateways.values.contains { $0.seconds > 0 } }
    /// Requests waiting by the newest samples.
    package var queue: Int { gateways.values.reduce(0) { $0 + $1.newest.queue } }

    package mutating func add(_ sample: LoadSample, from host: String, at now: Instant) {
        var gateway = gateways[host] ?? Gateway(newest: sample, at: now)
        gateway.newest = sample
        gateway.at = now
        gateway.seconds += sample.seconds
        gateway.inflightTime += sample.averageInflight * sample.seconds
        gateway.busyTimeByAverage += sample.averageBusy * sample.seconds
        gateway.busyTime += sample.busyTime
        gateway.peak = max(gateway.peak, sample.peakInflight)
        gateway.arrivals += sample.arrivals
        gateway.completions += sample.completions
        gateway.failures += sample.failures
        gateways[host] = gateway
    }

    /// The gateway is no part of the fleet any more.
    package mutating func remove(_ host: String) { gateways[host] = nil }

    /// The newest gauges added up, for showing.
    package func newest(service: String) -> LoadSample {
        var sum = LoadSample(service: service, seconds: 0)
        for (_, gateway) in gateways.sorted(by: { $0.key < $1.key }) {
            sum.seconds = max(sum.seconds, gateway.newest.seconds)
            sum.inflight += gateway.newest.inflight
            sum.busy += gateway.newest.busy
            sum.queue += gateway.newest.queue
            sum.arrivals += gateway.newest.arrivals
            sum.completions += gateway.newest.completions
        }
        return sum
    }

    /// Adds up what came in since the last call.
    /// - Parameter expected: hosts whose gateways should have reported.
    /// - Returns: the sum, and whether every expected gateway is in it.
    package mutating func take(service: String, expected: [String], now: Instant) -> (sample: LoadSample, complete: Bool) {
        var sum = LoadSample(service: service, seconds: 0)
        var complete = true
        for host in expected.sorted() {
            guard let gateway = gateways[host], gateway.at + Self.staleAfter >= now else {
                complete = false
                continue
            }
            sum.add(gateway.newest, seconds: gateway.seconds)
            sum.averageInflight += gateway.seconds > 0 ? gateway.inflightTime / gateway.seconds : Double(gateway.newest.inflight)
            sum.averageBusy += gateway.seconds > 0 ? gateway.busyTimeByAverage / gateway.seconds : Double(gateway.newest.busy)
            sum.busyTime += gateway.busyTime
            sum.peakInflight += max(gateway.peak, gateway.newest.inflight)
            sum.arrivals += gateway.arrivals
            sum.completions += gateway.completions
            sum.failures += gateway.failures
        }
        for host in gateways.keys { gateways[host]?.startOver() }
        return (sum, complete)
    }
}

extension LoadSample {
    /// Adds another gateway's gauges of the same moment.
    fileprivate mutating func add(_ other: LoadSample, seconds: Double) {
        self.seconds = max(self.seconds, seconds)
        inflight += other.inflight
        busy += other.busy
        queue += other.queue
        oldestWait = max(oldestWait, other.oldestWait)
    }
}
