import SidekickModel

/// One moment of one service, and the online count proposed for it.
struct Situation {
    struct Proposal {
        var online: Int
        var reason: String
        var otherwise: String
        var next: Double
    }

    let configuration: ScalerConfiguration
    let observation: ScalerObservation
    let load: LoadSample
    let demand: DemandMemory
    let capacity: Int
    /// Whether `capacity` is learnt rather than a limit the gateway enforces.
    let isLearnt: Bool
    let online: Int
    let raisedAt: Instant?
    let tuning: ScalerTuning
    /// How many more requests may wait too long before a replica is woken for them.
    var tolerance: Double
    let now: Instant

    /// Whether a standby wakes well within what a request may wait.
    private var wakeIsCheap: Bool { configuration.wake <= configuration.wait / 4 }

    /// A replica is kept for at least a hundred times what waking it cost.
    private var hold: Double { max(tuning.hold, 100 * configuration.wake) }

    mutating func proposal() -> Proposal {
        tolerance = min(tolerance + Double(load.arrivals) * tuning.lateShare, tolerable)
        if load.queue > 0, let urgent = reaction() { return urgent }
        if isLearnt, let pressed = pressure() { return pressed }
        if let zero = idleness() { return zero }
        return steady()
    }

    /// A queue: woken for at once when nothing is there to shorten it, otherwise when requests are about to outwait their budget and
    /// too many have done so lately.
    private mutating func reaction() -> Proposal? {
        let patience = wakeIsCheap ? max(0, configuration.wait * tuning.patience - configuration.wake - tuning.reactionTime) : 0
        if online > 0, load.oldestWait < patience {
            let next = max(0.01, patience - load.oldestWait)
            return Proposal(
                online: online,
                reason: "\(online) online: \(held), the oldest for \(milliseconds(load.oldestWait)), which its budget allows",
                otherwise: "more, if it still waits in \(milliseconds(next))", next: next)
        }
        let coming = Double(max(observation.starting, online - observation.ready) * capacity)
        let late = (online > 0 && wakeIsCheap ? lateRequests() : Double(load.queue)) - coming
        if late <= 0 { return nil }
        if online > 0, late <= tolerance {
            tolerance -= late
            return Proposal(
                online: online, reason: "\(online) online: \(held), some of them too long, as few as the budget allows",
                otherwise: "more, had more requests waited too long lately", next: configuration.wait)
        }
        let each = online > 0 && demand.service > 0 ? max(1, configuration.wait / demand.service) : 1
        let extra = max(1, Int((late / each / Double(capacity)).rounded(.up)))
        let needed = online + extra
        return Proposal(
            online: needed,
            reason: "\(needed) online: \(inflight) in flight at \(capacity) per replica, and \(held)",
            otherwise: patience > 0
                ? "\(online), had none waited longer than \(milliseconds(patience))" : "\(online), had none waited", next: 0.05)
    }

    /// How many of the waiting requests are expected to outwait their budget if nothing changes: the one in place i has waited its
    /// share of the oldest wait, and is late when fewer than i requests complete (a Poisson number) in what is left of its budget.
    private func lateRequests() -> Double {
        guard load.busy > 0, demand.service > 0 else { return Double(load.queue) }
        let completions = Double(load.busy) / demand.service
        let step = load.oldestWait / Double(load.queue)
        var late = 0.0
        for place in 1...min(load.queue, 64) {
            let left = max(0, configuration.wait - load.oldestWait + step * Double(place - 1))
            late += Queueing.poissonBelow(place, mean: completions * left)
        }
        return late * Double(load.queue) / Double(min(load.queue, 64))
    }

    /// Where no limit holds requests back, too many of them slow each other down instead of waiting.
    private mutating func pressure() -> Proposal? {
        let excess = Double(load.inflight - max(online, observation.ready + observation.starting) * capacity)
        guard excess > 0 else { return nil }
        if excess <= tolerance {
            tolerance -= excess
            return nil
        }
        let needed = (load.inflight + capacity - 1) / capacity
        guard needed > online else { return nil }
        return Proposal(
            online: needed,
            reason: "\(needed) online: \(inflight) in flight, and a replica was seen to serve \(capacity) at full speed",
            otherwise: "\(online), with at most \(online * capacity) in flight", next: 0.25)
    }

    private func idleness() -> Proposal? {
        guard load.inflight == 0, configuration.minimum == 0 else { return nil }
        let quiet = demand.lastBusy.map { now - $0 } ?? .infinity
        let expected = demand.rate > 0 ? 3 / demand.rate : .infinity
        let patience =
            wakeIsCheap && expected > configuration.idle
            ? min(tuning.shortIdle, configuration.idle) : min(configuration.idle, max(expected, tuning.shortIdle))
        if quiet >= patience {
            return Proposal(
                online: 0, reason: "0 online: no request for \(seconds(quiet))",
                otherwise: "1, had a request come within \(seconds(patience))", next: online == 0 ? 5 : 1)
        }
        return nil
    }

    private func steady() -> Proposal {
        let least = enough(tuning.raiseAbove)
        if online < least {
            return Proposal(
                online: least, reason: "\(least) online: \(describeLoad), more than \(online) can carry without waiting",
                otherwise: "\(online), at a lower load", next: 1)
        }
        let most = enough(tuning.lowerUpTo)
        if online > most, load.queue == 0 {
            let since = raisedAt.map { now - $0 } ?? .infinity
            if since >= hold {
                return Proposal(
                    online: most, reason: "\(most) online: \(describeLoad), for which \(most) are enough",
                    otherwise: "\(online), at a higher load", next: 1)
            }
            return Proposal(
                online: online, reason: "\(online) online: raised \(seconds(since)) ago and held for \(seconds(hold))",
                otherwise: "\(most), once the hold is over", next: 1)
        }
        return Proposal(
            online: online, reason: "\(online) online: \(describeLoad)", otherwise: "another count, at another load",
            next: isLearnt && load.inflight * 2 > online * capacity ? 0.25 : 1)
    }

    /// The fewest replicas with which requests outwait their patience seldom enough, the bounds widened by `factor`.
    private func enough(_ factor: Double) -> Int {
        var count = load.inflight > 0 || online > 0 ? 1 : 0
        // Connections that stay open for long bring load without arrivals.
        guard demand.rate > 0 else { return max(count, (load.inflight + capacity - 1) / capacity) }
        count = max(count, Int((demand.load / Double(capacity)).rounded(.down)))
        while count < configuration.maximum, !isEnough(count, factor) { count += 1 }
        return count
    }

    /// The most such requests saved up.
    private var tolerable: Double { tuning.tolerance + demand.rate * tuning.lateShare * 600 }
    private var spare: Double { min(1, tolerance / tolerable) }

    private func isEnough(_ count: Int, _ factor: Double) -> Bool {
        let slots = count * capacity
        guard Double(slots) > demand.load * 1.01 else { return false }
        let service = demand.service > 0 ? demand.service : demand.load / demand.rate
        let late = Queueing.shareWaiting(
            slots: slots, load: demand.load, service: service, wait: isLearnt ? 0 : configuration.wait * 0.9)
        if late <= tuning.lateShare * factor * (1 + tuning.generosity * spare) { return true }
        let woken = Queueing.shareWaiting(
            slots: slots, load: demand.load, service: service, wait: isLearnt ? 0 : configuration.wait * tuning.patience)
        // Requests outwait their patience in clumps: about 1 / (1 - utilisation) of them at a time.
        return demand.rate * woken * (1 - demand.load / Double(slots)) <= tuning.episodes * factor
    }

    private var describeLoad: String {
        "\(rounded(demand.load)) in flight on average at \(capacity) per replica"
    }
    private var inflight: String { load.inflight == 1 ? "1 request" : "\(load.inflight) requests" }
    private var held: String { load.queue == 1 ? "1 waits" : "\(load.queue) wait" }
    private func rounded(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
    private func seconds(_ value: Double) -> String { value.isFinite ? "\(Int(value.rounded())) s" : "long" }
    private func milliseconds(_ value: Double) -> String { "\(Int((value * 1000).rounded())) ms" }
}
