package import SidekickModel

/// One service as the deciding code sees it: what is wanted, and what is observed of it.
package struct ServiceView: Hashable, Sendable {
    package var record: ServiceRecord
    /// Every revision that a replica, the record or the rollout refers to, by number.
    package var revisions: [Int: Revision]
    /// The newest rollout, finished or not; nil before the first.
    package var rollout: RolloutRecord?
    /// In order of id.
    package var replicas: [ReplicaView]
    /// When this controller began to observe, on the clock of `now`: the time before is not held against a rollout's deadline.
    package var watchedSince: Instant?
    /// Whether the newest recorded event about room was `noRoom`: replicas wait for room, and the operator was told.
    package var lacksRoom: Bool

    package init(
        record: ServiceRecord, revisions: [Int: Revision], rollout: RolloutRecord?, replicas: [ReplicaView],
        watchedSince: Instant? = nil, lacksRoom: Bool = false
    ) {
        self.watchedSince = watchedSince
        self.lacksRoom = lacksRoom
        self.record = record
        self.revisions = revisions
        self.rollout = rollout
        self.replicas = replicas
    }
}

/// One replica: the order, and the newest report about it.
package struct ReplicaView: Hashable, Sendable {
    package var record: ReplicaRecord
    /// nil when no agent has reported it since the controller started.
    package var observed: ObservedReplica?
    /// When it last became ready without a break since; nil when it is not ready. Same clock as `now`.
    package var readySince: Instant?
    /// Failed starts seen so far.
    package var failures: Int

    package init(record: ReplicaRecord, observed: ObservedReplica?, readySince: Instant? = nil, failures: Int = 0) {
        self.record = record
        self.observed = observed
        self.readySince = readySince
        self.failures = failures
    }
}

/// One host as the deciding code sees it.
package struct HostView: Hashable, Sendable {
    package enum Liveness: String, Hashable, Sendable, Codable {
        /// Its agent has not reported since the controller started, and the time for that is not over: nothing is decided about
        /// its replicas.
        case unknown
        case alive
        /// Its session is broken, not yet long enough to replace its replicas.
        case suspected
        /// Replicas on it are replaced elsewhere.
        case lost
    }

    package var record: HostRecord
    package var liveness: Liveness
    /// Sum of what the replicas assigned to it hold of the declared cpu and memory: see `Reservation`. May exceed what the host has,
    /// since a host may wake standbys by itself.
    package var reservedCPU: MilliCPU
    package var reservedMemory: ByteCount

    package init(record: HostRecord, liveness: Liveness, reservedCPU: MilliCPU, reservedMemory: ByteCount) {
        self.record = record
        self.liveness = liveness
        self.reservedCPU = reservedCPU
        self.reservedMemory = reservedMemory
    }
}

/// What the reconciler orders. The controller commits all actions of one step in one transaction, then sends the assignments
/// that came of them.
package enum FleetAction: Hashable, Sendable {
    /// A new replica; the store gives it its id and generation 1.
    case create(service: String, revision: Int, host: String, desired: DesiredState)
    /// A changed order; the store raises the generation.
    case order(ReplicaID, DesiredState)
    /// The agent reported it removed (or its host is gone for good): the record goes.
    case forget(ReplicaID)
    /// The rollout's new state.
    case rollout(RolloutRecord)
    /// The revision wakes prefer from now on.
    case stable(service: String, revision: Int)
    /// A service being deleted has no replica left: record, revisions and rollouts go.
    case removeService(String)
    case event(FleetEvent)
}
