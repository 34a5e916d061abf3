package import SidekickModel

/// What the autoscaler is told of one service at one moment: the gateways' samples since the last step added up, and the replicas by rung.
/// The fields are those the autoscaler judge sends.
package struct ScalerObservation: Hashable, Sendable, Codable {
    /// nil when some gateway that should have reported has not: missing data may hold, never lower.
    package var load: LoadSample?
    /// Online and ready.
    package var ready: Int
    /// On the way to online, not ready yet.
    package var starting: Int
    /// Offline and able to come online.
    package var standby: Int
    /// Being made into standbys.
    package var standbyStarting: Int

    package init(load: LoadSample?, ready: Int, starting: Int, standby: Int, standbyStarting: Int) {
        self.load = load
        self.ready = ready
        self.starting = starting
        self.standby = standby
        self.standbyStarting = standbyStarting
    }
}

/// What stays the same between steps, from the service's spec and from what was measured.
package struct ScalerConfiguration: Hashable, Sendable, Codable {
    package var minimum: Int
    package var maximum: Int
    package var standby: StandbyTarget
    /// Requests one replica serves at once; nil means learnt.
    package var concurrency: Int?
    /// Seconds a request may wait before that counts as a violation.
    package var wait: Double
    /// Seconds without any open request before scaling to zero.
    package var idle: Double
    /// Seconds from nothing to ready, measured.
    package var coldStart: Double
    /// Seconds from standby to ready, measured.
    package var wake: Double

    package init(
        minimum: Int, maximum: Int, standby: StandbyTarget, concurrency: Int?, wait: Double, idle: Double, coldStart: Double,
        wake: Double
    ) {
        self.minimum = minimum
        self.maximum = maximum
        self.standby = standby
        self.concurrency = concurrency
        self.wait = wait
        self.idle = idle
        self.coldStart = coldStart
        self.wake = wake
    }

    package init(spec: ServiceSpec, coldStart: Double, wake: Double) {
        self.init(
            minimum: spec.replicas.min, maximum: spec.replicas.max, standby: spec.replicas.standby,
            concurrency: spec.scale.concurrency, wait: Double(spec.scale.wait.count) / 1000,
            idle: Double(spec.scale.idle.count) / 1000, coldStart: coldStart, wake: wake)
    }
}

/// The autoscaler's answer at one step.
package struct ScalerDecision: Hashable, Sendable {
    package var online: Int
    package var standby: Int
    /// One plain sentence: why.
    package var reason: String
    /// One plain sentence: what would have changed it.
    package var otherwise: String
    package var inputs: [DecisionInput]
    /// Seconds until it wants to be asked again at the latest.
    package var next: Double

    package init(online: Int, standby: Int, reason: String, otherwise: String, inputs: [DecisionInput], next: Double) {
        self.online = online
        self.standby = standby
        self.reason = reason
        self.otherwise = otherwise
        self.inputs = inputs
        self.next = next
    }
}
