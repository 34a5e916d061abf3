package import SidekickModel

/// Measures one service's load between two samples: how many requests were open and served, over time.
package struct LoadMeter: Sendable {
    private var since: Instant
    private var last: Instant
    private var inflight = 0
    private var busy = 0
    /// Request-nanoseconds since `since`.
    private var inflightTime: Double = 0
    private var busyTime: Double = 0
    private var peak = 0
    private var arrivals = 0
    private var completions = 0
    private var failures = 0

    package init(now: Instant) {
        since = now
        last = now
    }

    /// Adds up what was open until `now`. Event loops read the clock apart, so that `now` may lie a little before the last one: that
    /// counts as no time.
    private mutating func advance(_ now: Instant) {
        guard now > last else { return }
        let span = Double(now.nanoseconds - last.nanoseconds)
        inflightTime += span * Double(inflight)
        busyTime += span * Double(busy)
        last = now
    }

    mutating func arrived(now: Instant) {
        advance(now)
        inflight += 1
        arrivals += 1
        if inflight > peak { peak = inflight }
    }

    /// A request went to a replica.
    mutating func began(now: Instant) {
        advance(now)
        busy += 1
    }

    /// A request came back from a replica without having been served.
    mutating func returned(now: Instant) {
        advance(now)
        busy -= 1
    }

    mutating func finished(now: Instant, failed: Bool) {
        advance(now)
        busy -= 1
        inflight -= 1
        completions += 1
        if failed { failures += 1 }
    }

    /// A request went to another host's gateway, which measures it from now on.
    mutating func handedOver(now: Instant) {
        advance(now)
        inflight -= 1
        arrivals = max(0, arrivals - 1)
    }

    /// A held request left, refused by the gateway or given up by its client.
    mutating func left(now: Instant, refused: Bool) {
        advance(now)
        inflight -= 1
        if refused { failures += 1 }
    }

    /// What is measured up to `now`, without ending the sample.
    func sample(service: String, held: Int, oldest: Instant?, now: Instant) -> LoadSample {
        var copy = self
        copy.advance(now)
        let seconds = max(0, now - since)
        var sample = LoadSample(service: service, seconds: seconds)
        sample.inflight = inflight
        sample.busy = busy
        sample.queue = held
        sample.oldestWait = oldest.map { max(0, now - $0) } ?? 0
        sample.busyTime = copy.busyTime / 1e9
        sample.averageInflight = seconds > 0 ? copy.inflightTime / 1e9 / seconds : Double(inflight)
        sample.averageBusy = seconds > 0 ? copy.busyTime / 1e9 / seconds : Double(busy)
        sample.peakInflight = peak
        sample.arrivals = arrivals
        sample.completions = completions
        sample.failures = failures
        return sample
    }

    /// Begins the next sample.
    mutating func restart(now: Instant) {
        advance(now)
        since = now
        inflightTime = 0
        busyTime = 0
        peak = inflight
        arrivals = 0
        completions = 0
        failures = 0
    }
}
