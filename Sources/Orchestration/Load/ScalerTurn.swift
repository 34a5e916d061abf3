package import SidekickModel

/// One question to the autoscaler about one service, and what follows for its counts.
package enum ScalerTurn {
    /// What the counts shall be, and the decision to record when they change.
    package struct Outcome: Hashable, Sendable {
        package var online: Int
        package var standby: Int
        /// nil when the counts stay.
        package var decision: Decision?
        /// Seconds until it wants to be asked again at the latest.
        package var next: Double

        package init(online: Int, standby: Int, decision: Decision?, next: Double) {
            self.online = online
            self.standby = standby
            self.decision = decision
            self.next = next
        }
    }

    /// Steps `scaler`. With a gateway missing from the load, what is known may raise the counts but nothing lowers them. A count an operator
    /// has fixed stays; the standbys are decided all the same.
    /// - Parameters:
    ///   - load: what the gateways measured, added up.
    ///   - complete: whether every gateway that should have reported is in it.
    package static func take(
        _ scaler: inout Autoscaler, service: ServiceView, load: LoadSample, complete: Bool, lost: Set<String>,
        configuration: ScalerConfiguration, now: Instant
    ) -> Outcome {
        let record = service.record
        let observation = ScalerObservation(load: load, replicas: service.replicas, lost: lost)
        var stepped = scaler
        let answer = stepped.step(observation, configuration: configuration, now: now)
        var online = record.manualOnline ?? answer.online
        var standby = answer.standby
        // Standbys complete what is online: where that is fixed higher than the load asks for, so many fewer are needed.
        if configuration.standby == .auto { standby = max(0, answer.online + answer.standby - online) }
        if complete {
            scaler = stepped
        } else {
            // Those that would only make up for a count that stays after all are none to add.
            let ready = online + standby
            online = max(online, record.desiredOnline)
            standby = max(ready - online, record.desiredStandby)
            if answer.online > record.desiredOnline { scaler = stepped }
        }
        var outcome = Outcome(online: online, standby: standby, decision: nil, next: answer.next)
        if online != record.desiredOnline || standby != record.desiredStandby {
            outcome.decision = Decision(
                service: record.name, at: now, onlineBefore: record.desiredOnline, onlineAfter: online,
                standbyBefore: record.desiredStandby, standbyAfter: standby, reason: answer.reason, otherwise: answer.otherwise,
                inputs: answer.inputs)
        }
        return outcome
    }
}
