package import SidekickModel

/// Makes one measurement of what several gateways of one host measure, while one hands over to its successor: counts add up, and the
/// older one's gauges are added to the newest one's.
package struct HostLoad: Hashable, Sendable {
    /// A gateway, by its process id.
    package typealias Gateway = Int

    /// What the others said since the newest reported last, their newest gauges included.
    private var others: [Gateway: [String: LoadSample]] = [:]

    package init() {}

    /// Takes one gateway's samples in.
    /// - Parameter newest: the gateway that connected last; the others' samples go along with its own.
    /// - Returns: what to tell the controller; empty when that is for the newest to bring about.
    package mutating func add(_ samples: [LoadSample], from gateway: Gateway, newest: Gateway) -> [LoadSample] {
        guard gateway != newest else {
            others[gateway] = nil
            guard !others.isEmpty else { return samples }
            let sums = samples.map { sum($0) }
            forgetCounts()
            return sums
        }
        for sample in samples {
            var kept = sample
            if let before = others[gateway]?[sample.service] { kept.addCounts(of: before) }
            others[gateway, default: [:]][sample.service] = kept
        }
        return []
    }

    /// What the sample is with the other gateways' newest gauges added, for a wake.
    package func sum(_ sample: LoadSample) -> LoadSample {
        others.values.reduce(into: sample) { sum, gateway in
            guard let other = gateway[sample.service] else { return }
            sum.addGauges(of: other)
            sum.addCounts(of: other)
        }
    }

    package mutating func remove(_ gateway: Gateway) { others[gateway] = nil }

    private mutating func forgetCounts() {
        for (gateway, samples) in others { others[gateway] = samples.mapValues(\.withoutCounts) }
    }
}

extension LoadSample {
    fileprivate mutating func addGauges(of other: LoadSample) {
        inflight += other.inflight
        busy += other.busy
        queue += other.queue
        oldestWait = max(oldestWait, other.oldestWait)
        averageInflight += other.averageInflight
        averageBusy += other.averageBusy
        peakInflight += other.peakInflight
    }

    fileprivate mutating func addCounts(of other: LoadSample) {
        busyTime += other.busyTime
        arrivals += other.arrivals
        completions += other.completions
        failures += other.failures
    }

    fileprivate var withoutCounts: LoadSample {
        var copy = self
        copy.busyTime = 0
        copy.arrivals = 0
        copy.completions = 0
        copy.failures = 0
        return copy
    }
}
