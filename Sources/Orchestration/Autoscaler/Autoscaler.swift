package import SidekickModel

/// Decides how many replicas of one service shall be online and how many on standby.
///
/// Two controllers, deliberately apart. *Online* answers the load of now: the count queueing theory finds enough for the averaged
/// load, raised at once when requests have waited for most of their budget, lowered after a hold. *Standby* answers how fast
/// demand has been seen to rise within a cold start. All memory is in this value, so it survives a restart of the controller.
package struct Autoscaler: Sendable, Codable, Hashable {
    private var demand = DemandMemory()
    private var learnt = CapacityMemory()
    /// The last decision.
    private var online: Int
    private var standby: Int
    private var tolerance = 0.0
    private var raisedAt: Instant?
    private var fewerStandbySince: Instant?

    package init(configuration: ScalerConfiguration, online: Int = 0, standby: Int = 0) {
        self.online = max(online, configuration.minimum)
        self.standby = standby
    }

    /// The decision for `observation` at `now` (monotonic, or any clock that does not jump).
    package mutating func step(
        _ observation: ScalerObservation, configuration: ScalerConfiguration, now: Instant,
        tuning: ScalerTuning = ScalerTuning()
    ) -> ScalerDecision {
        guard let load = observation.load else { return hold(configuration, observation) }
        if configuration.concurrency == nil { learnt.take(load, ready: observation.ready) }
        let capacity = max(1, configuration.concurrency ?? learnt.whole)
        demand.take(load, online: online, capacity: capacity, coldStart: configuration.coldStart, tuning, now: now)
        var situation = Situation(
            configuration: configuration, observation: observation, load: load, demand: demand, capacity: capacity,
            isLearnt: configuration.concurrency == nil,
            online: online,
            raisedAt: raisedAt, tuning: tuning, tolerance: tolerance, now: now)
        let proposal = situation.proposal()
        tolerance = situation.tolerance
        let wanted = min(max(proposal.online, configuration.minimum), configuration.maximum)
        var (reason, otherwise) = (proposal.reason, proposal.otherwise)
        if wanted < proposal.online {
            reason = "\(wanted) online, the most allowed, though the load asks for more: \(reason)"
            otherwise = "a higher replicas.max"
        } else if wanted > proposal.online {
            reason = "\(wanted) online, the fewest allowed, though the load asks for less: \(reason)"
            otherwise = "a lower replicas.min"
        }
        if wanted > online { raisedAt = now }
        online = wanted
        standby = standbyTarget(configuration, capacity: capacity, tuning, now: now)
        return ScalerDecision(
            online: online, standby: standby, reason: reason, otherwise: otherwise,
            inputs: inputs(observation, load, capacity), next: proposal.next)
    }

    private func hold(_ configuration: ScalerConfiguration, _ observation: ScalerObservation) -> ScalerDecision {
        let kept = min(max(online, configuration.minimum), configuration.maximum)
        return ScalerDecision(
            online: kept, standby: standby,
            reason: "\(kept) online, as before: a gateway has not reported, and missing data never lowers the count",
            otherwise: "a report from every gateway", inputs: [], next: 1)
    }

    private mutating func standbyTarget(_ configuration: ScalerConfiguration, capacity: Int, _ tuning: ScalerTuning, now: Instant)
        -> Int
    {
        let wanted: Int
        switch configuration.standby {
        case .count(let count): wanted = count
        case .auto:
            let peak = Queueing.poissonBound(mean: demand.load, probability: tuning.rarity)
            // Within the wait budget, each slot serves more than one request of a burst.
            let share = demand.service > 0 ? min(1, configuration.wait / demand.service) : 0
            let burst = Int((Double(peak) / (Double(capacity) * (1 + tuning.burstRelief * share))).rounded(.up)) - online
            let rise = Int((demand.rise - 0.3).rounded(.up))
            wanted = max(online == 0 ? 1 : 0, burst, rise)
        }
        let bounded = min(wanted, max(0, configuration.maximum - online))
        if bounded >= standby || configuration.standby != .auto || online == configuration.maximum {
            fewerStandbySince = nil
            return bounded
        }
        guard let since = fewerStandbySince else {
            fewerStandbySince = now
            return standby
        }
        guard now - since >= tuning.standbyHold else { return standby }
        fewerStandbySince = nil
        return bounded
    }

    private func inputs(_ observation: ScalerObservation, _ load: LoadSample, _ capacity: Int) -> [DecisionInput] {
        [
            DecisionInput("in flight", Double(load.inflight)), DecisionInput("held", Double(load.queue)),
            DecisionInput("oldest wait (s)", load.oldestWait), DecisionInput("average in flight", demand.load),
            DecisionInput("requests per second", demand.rate), DecisionInput("service time (s)", demand.service),
            DecisionInput("slots per replica", Double(capacity)), DecisionInput("ready", Double(observation.ready)),
            DecisionInput("starting", Double(observation.starting)), DecisionInput("standby", Double(observation.standby)),
        ]
    }
}
