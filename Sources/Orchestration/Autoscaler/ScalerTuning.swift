/// The scaler's few constants, with safe defaults; changed only by experiments.
package struct ScalerTuning: Sendable, Codable, Hashable {
    /// The share of requests that may wait longer than their budget without a replica being woken for them.
    package var lateShare = 0.0015
    /// The most such requests saved up, beside what ten minutes of arrivals allow.
    package var tolerance = 5.0
    /// How much more lateness is planned for while the allowance is unspent, as a multiple of `lateShare`.
    package var generosity = 8.0
    /// How often per second a replica may have to be woken for waiting requests.
    package var episodes = 0.2
    /// How far above these bounds the load must be for more replicas, as a factor.
    package var raiseAbove = 3.0
    /// How far above the same bounds fewer replicas may bring it, as a factor; below `raiseAbove`, so that counts do not flap.
    package var lowerUpTo = 5.0 / 3
    /// The share of its wait budget a request waits before a replica is woken for it, where waking is cheap.
    package var patience = 0.95
    /// Seconds a decision itself may come late: between two steps, and on its way.
    package var reactionTime = 0.015
    /// Seconds a raised count is kept at least; longer where a wake takes long.
    package var hold = 3.0
    /// Seconds without a request before the last replica goes, where waking one is cheap and requests come seldom.
    package var shortIdle = 5.0
    /// Seconds the standby target has to be lower before it falls.
    package var standbyHold = 20.0
    /// Seconds over which the load is averaged.
    package var window = 60.0
    /// Seconds after which a burst seen counts about a third as much.
    package var burstMemory = 3600.0
    /// The share of requests that may come with a rise for which too few replicas are ready.
    package var burstShare = 0.03

    package init() {}
}
