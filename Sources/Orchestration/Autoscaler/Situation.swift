import SidekickModel

/// One moment of one service, and the online count proposed for it.
struct Situation {
    /// How often per second requests may have to wait for a replica to be woken: once in 40 s.
    static let exceedances = 1.0 / 40
    /// How far the two thresholds for more and fewer replicas lie from it, as a factor.
    static let band = 2.5
    /// The share of its wait budget a request waits before a replica is woken for it.
    static let patience = 0.6
    /// Seconds a raised count is kept at least.
    static let hold = 20.0
    /// Seconds without a request before the last replica goes, where waking one is cheap and requests come seldom.
    static let shortIdle = 8.0
    /// How seldom the standbys may be too few.
    static let rarity = 1e-4
    /// Seconds the standby target has to be lower before it falls.
    static let standbyHold = 120.0

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
    let online: Int
    let raisedAt: Instant?
    let now: Instant

    /// Whether a standby wakes well within what a request may wait.
    private var wakeIsCheap: Bool { configuration.wake <= configuration.wait / 4 }

    func proposal() -> Proposal {
        if load.queue > 0, let urgent = reaction() { return urgent }
        if let zero = idleness() { return zero }
        return steady()
    }

    /// A queue: woken at once when nothing is there to shorten it, otherwise when the oldest request has used up its patience.
    private func reaction() -> Proposal? {
        let patience = wakeIsCheap ? max(0, configuration.wait * Self.patience - configuration.wake) : 0
        if online > 0, load.oldestWait < patience {
            let next = max(0.01, patience - load.oldestWait)
            return Proposal(
                online: online, reason: "\(online) online: \(held) for \(milliseconds(load.oldestWait)), within their budget",
                otherwise: "more, if they still wait in \(milliseconds(next))", next: next)
        }
        let needed = (load.busy + load.queue + capacity - 1) / capacity
        guard needed > online else { return nil }
        return Proposal(
            online: needed,
            reason: "\(needed) online: \(load.inflight) requests in flight at \(capacity) per replica, and \(held)",
            otherwise: "\(online), had no request waited longer than \(milliseconds(patience))", next: 0.05)
    }

    private func idleness() -> Proposal? {
        guard load.inflight == 0, configuration.minimum == 0 else { return nil }
        let quiet = demand.lastBusy.map { now - $0 } ?? .infinity
        let expected = demand.rate > 0 ? 3 / demand.rate : .infinity
        let patience =
            wakeIsCheap && expected > configuration.idle
            ? min(Self.shortIdle, configuration.idle) : min(configuration.idle, max(expected, Self.shortIdle))
        if quiet >= patience {
            return Proposal(
                online: 0, reason: "0 online: no request for \(seconds(quiet))",
                otherwise: "1, had a request come within \(seconds(patience))", next: online == 0 ? 5 : 1)
        }
        return nil
    }

    private func steady() -> Proposal {
        let most = enough(exceedances: Self.exceedances / Self.band)
        let least = enough(exceedances: Self.exceedances * Self.band)
        if online < least {
            return Proposal(
                online: least, reason: "\(least) online: \(describeLoad), more than \(online) can carry without waiting",
                otherwise: "\(online), at a lower load", next: 1)
        }
        if online > most {
            let since = raisedAt.map { now - $0 } ?? .infinity
            if since >= Self.hold {
                return Proposal(
                    online: most, reason: "\(most) online: \(describeLoad), for which \(most) are enough",
                    otherwise: "\(online), at a higher load", next: 1)
            }
            return Proposal(
                online: online, reason: "\(online) online: raised \(seconds(since)) ago and held for \(seconds(Self.hold))",
                otherwise: "\(most), once the hold is over", next: 1)
        }
        return Proposal(
            online: online, reason: "\(online) online: \(describeLoad)", otherwise: "another count, at another load", next: 1)
    }

    /// The fewest replicas with which at most `exceedances` requests per second outwait their patience.
    private func enough(exceedances: Double) -> Int {
        let mean = max(demand.load, 1e-9)
        let least = load.inflight > 0 || online > 0 ? 1 : 0
        guard demand.rate > 0 else { return least }
        var count = max(least, Int((mean / Double(capacity)).rounded(.down)))
        let service = demand.service > 0 ? demand.service : mean / demand.rate
        while count < configuration.maximum {
            let share = Queueing.shareWaiting(
                slots: count * capacity, load: mean, service: service, wait: configuration.wait * Self.patience)
            if demand.rate * share <= exceedances { break }
            count += 1
        }
        return count
    }

    private var describeLoad: String {
        "\(rounded(demand.load)) requests in flight on average at \(capacity) per replica"
    }
    private var held: String { load.queue == 1 ? "1 waited" : "\(load.queue) waited" }
    private func rounded(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
    private func seconds(_ value: Double) -> String { value.isFinite ? "\(Int(value.rounded())) s" : "long" }
    private func milliseconds(_ value: Double) -> String { "\(Int((value * 1000).rounded())) ms" }
}
