package import SidekickModel

/// Decides how many replicas of one service shall be online and how many on standby.
///
/// Two controllers, deliberately apart. *Online* answers the load of now: the count queueing theory finds enough for the averaged
/// load, raised at once when requests have waited for most of their budget, lowered after a hold. *Standby* answers how fast
/// demand has been seen to rise within a cold start. All memory is in this value, so it survives a restart of the controller.
package struct Autoscaler: Sendable, Codable, Hashable {
    private var demand = DemandMemory()
    private var learnt = CapacityMemory()
    private var bursts = BurstMemory()
    /// The last decision.
    private var online: Int
    private var standby: Int
    private var tolerance = 0.0
    private var raisedAt: Instant?
    /// Replicas kept ready in all, online ones included, so that waking one starts no other and one let go is a standby again.
    private var ceiling: Int
    private var lowerCeilingSince: Instant?

    package init(configuration: ScalerConfiguration, online: Int = 0, standby: Int = 0) {
        self.online = max(online, configuration.minimum)
        self.standby = standby
        ceiling = self.online + standby
    }

    /// The decision for `observation` at `now` (monotonic, or any clock that does not jump).
    package mutating func step(
        _ observation: ScalerObservation, configuration: ScalerConfiguration, now: Instant,
        tuning: ScalerTuning = ScalerTuning()
    ) -> ScalerDecision {
        guard let load = observation.load else { return hold(configuration, observation) }
        if configuration.concurrency == nil { learnt.take(load, ready: observation.ready) }
        let capacity = max(1, configuration.concurrency ?? learnt.whole)
        demand.take(load, coldStart: configuration.coldStart, tuning, now: now)
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
        remember(proposal, load, observation, capacity: capacity, configuration, tuning)
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

    private mutating func remember(
        _ proposal: Situation.Proposal, _ load: LoadSample, _ observation: ScalerObservation, capacity: Int,
        _ configuration: ScalerConfiguration, _ tuning: ScalerTuning
    ) {
        // What queues up behind a start from nothing is no measure of demand.
        let awaitsColdStart = observation.standby == 0 && observation.starting > 0
        let needed =
            proposal.online > online
            ? (awaitsColdStart ? online : proposal.online)
            : min(online, (max(load.peakInflight, load.inflight) + capacity - 1) / capacity)
        bursts.take(
            needed: needed, arrivals: load.arrivals, seconds: load.seconds, base: demand.highLoad / Double(capacity),
            coldStart: configuration.coldStart, tuning)
    }

    /// The standbys that complete the replicas kept ready in all: what the average load fills and the rises seen from there.
    private mutating func standbyTarget(_ configuration: ScalerConfiguration, capacity: Int, _ tuning: ScalerTuning, now: Instant)
        -> Int
    {
        if case .count(let count) = configuration.standby { return min(count, max(0, configuration.maximum - online)) }
        let seen = demand.highLoad / Double(capacity) + bursts.rise(share: tuning.burstShare)
        let wanted = max(1, Int(seen.rounded(.up)))
        if wanted >= ceiling {
            ceiling = wanted
            lowerCeilingSince = nil
        } else if let since = lowerCeilingSince {
            if now - since >= tuning.standbyHold {
                ceiling = wanted
                lowerCeilingSince = nil
            }
        } else {
            lowerCeilingSince = now
        }
        return max(0, min(ceiling, configuration.maximum) - online)
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
