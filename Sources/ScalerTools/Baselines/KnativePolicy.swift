import SidekickModel

/// As Knative's pod autoscaler scales by concurrency, with its defaults: a stable window of 60 s, a panic window of 6 s, a target of 70% of the
/// container's concurrency, at most halving at a time, and 30 s of grace before zero. No standbys: every start is one from nothing.
///
/// Source: knative/serving, pkg/autoscaler/scaling/autoscaler.go and pkg/reconciler/autoscaling/kpa/scaler.go.
package struct KnativePolicy: ScalingPolicy {
    package let name = "kpa"
    package let firstAfter = 1.0
    package let wakes = PolicyWake.atZero
    package let startsWith: (online: Int, standby: Int)
    private let target: Double
    /// Below it the activator is in the path already and zero needs no grace.
    private let burstCapacity = 211.0
    private let concurrency: Double
    private var averages = SecondAverages()
    private var window: [Double] = []
    /// Seconds without a pod or a request, in which nothing is recorded.
    private var skipped = 0
    private var panicSince: Double?
    private var panicMost = 0
    private var inactiveSince: Double?
    private var activeSince = 0.0
    private var decidedAt = 0.0
    private var last: Int

    private static let stableSeconds = 60
    private static let panicSeconds = 6
    private static let grace = 30.0

    package init(concurrency: Int, online: Int) {
        self.concurrency = Double(concurrency)
        target = Double(concurrency) * 0.7
        startsWith = (online, 0)
        last = online
    }

    package mutating func decide(_ observation: ScalerInput, at time: Double) -> PolicyAnswer {
        let exists = observation.ready + observation.starting > 0
        averages.add(observation)
        for second in averages.take() { record(second.inflight, exists: exists) }
        let poked = !exists && observation.load.inflight > 0
        if poked { record(Double(observation.load.inflight), exists: true) }
        guard poked || time >= decidedAt + 2 - 1e-6 else { return PolicyAnswer(online: last, next: 1) }
        decidedAt = time
        last = count(observation, at: time)
        return PolicyAnswer(online: last, next: 1)
    }

    private mutating func record(_ value: Double, exists: Bool) {
        guard exists || value > 0 else {
            skipped += 1
            return
        }
        if skipped >= Self.stableSeconds { window = [] } else { window += Array(repeating: 0, count: skipped) }
        skipped = 0
        window.append(value)
        if window.count > Self.stableSeconds { window.removeFirst(window.count - Self.stableSeconds) }
    }

    private mutating func count(_ observation: ScalerInput, at time: Double) -> Int {
        let seen = Array(window.dropFirst(skipped))
        let stable = Self.mean(seen[...])
        let panic = Self.mean(seen.suffix(Self.panicSeconds))
        let ready = max(1, observation.ready)
        let least = observation.ready == 0 ? 0 : ready / 2
        let byPanic = Int((panic / target - 1e-9).rounded(.up))
        var wanted = max(Int((stable / target - 1e-9).rounded(.up)), least)
        if Double(byPanic) / Double(ready) >= 2 {
            panicSince = time
        } else if let since = panicSince, since + Double(Self.stableSeconds) < time {
            panicSince = nil
            panicMost = 0
        }
        if panicSince != nil {
            panicMost = max(panicMost, wanted, byPanic)
            wanted = panicMost
        }
        return wanted > 0 ? active(wanted, observation, time) : toZero(observation, time)
    }

    private mutating func active(_ wanted: Int, _ observation: ScalerInput, _ time: Double) -> Int {
        if observation.ready + observation.starting == 0 { activeSince = time }
        inactiveSince = nil
        return wanted
    }

    private mutating func toZero(_ observation: ScalerInput, _ time: Double) -> Int {
        let current = observation.ready + observation.starting
        guard current > 0 else { return 0 }
        guard time - activeSince >= Double(Self.stableSeconds) else { return 1 }
        let since = inactiveSince ?? time
        inactiveSince = since
        let grace = Double(observation.ready) * concurrency < burstCapacity ? 0 : Self.grace
        guard time - since >= grace else { return current }
        inactiveSince = nil
        return 0
    }

    private static func mean(_ values: ArraySlice<Double>) -> Double {
        let mean = values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
        return mean < 1e-9 ? 0 : mean
    }
}
