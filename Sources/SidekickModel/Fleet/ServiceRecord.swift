/// What the controller keeps of one service: durable, and the only truth about what is wanted.
package struct ServiceRecord: Hashable, Sendable, Codable {
    package var name: String
    /// Rises with every change of this record by an operator; optimistic concurrency compares it.
    package var resourceVersion: Int64
    /// The newest revision applied.
    package var revision: Int
    /// The newest revision that has proved itself (its rollout succeeded); nil before the first one did. Wakes prefer it.
    package var stableRevision: Int?
    /// How many replicas shall be online; the autoscaler's last decision, within the spec's `min` and `max`.
    package var desiredOnline: Int
    /// How many standbys shall be kept offline beside them.
    package var desiredStandby: Int
    /// A fixed online count set by `sidekick scale`, which the autoscaler then leaves alone; nil for automatic.
    package var manualOnline: Int?
    /// Set when the operator deletes the service: its replicas drain and go, then the record goes.
    package var deleting: Bool
    /// Wall clock.
    package var createdAt: Instant

    package init(name: String, revision: Int, createdAt: Instant) {
        self.name = name
        self.revision = revision
        self.createdAt = createdAt
        resourceVersion = 1
        stableRevision = nil
        desiredOnline = 0
        desiredStandby = 0
        manualOnline = nil
        deleting = false
    }
}

/// What the controller keeps of one replica: its assignment to a host. Durable.
package struct ReplicaRecord: Hashable, Sendable, Codable {
    package var id: ReplicaID
    package var service: String
    package var revision: Int
    package var host: String
    package var desired: DesiredState
    /// The generation of the assignment that carries `desired`.
    package var generation: Int64
    /// Wall clock.
    package var createdAt: Instant
    /// When `desired` last changed. Wall clock.
    package var changedAt: Instant

    package init(
        id: ReplicaID, service: String, revision: Int, host: String, desired: DesiredState, generation: Int64, createdAt: Instant
    ) {
        self.id = id
        self.service = service
        self.revision = revision
        self.host = host
        self.desired = desired
        self.generation = generation
        self.createdAt = createdAt
        changedAt = createdAt
    }
}

/// What the controller keeps of one host. Durable.
package struct HostRecord: Hashable, Sendable, Codable {
    package var name: String
    package var labels: [String: String]
    package var cpu: MilliCPU
    package var memory: ByteCount
    /// No new replica is placed on it.
    package var cordoned: Bool
    /// Its replicas are being moved elsewhere; implies `cordoned`.
    package var draining: Bool
    /// Wall clock.
    package var joinedAt: Instant

    package init(name: String, labels: [String: String], cpu: MilliCPU, memory: ByteCount, joinedAt: Instant) {
        self.name = name
        self.labels = labels
        self.cpu = cpu
        self.memory = memory
        self.joinedAt = joinedAt
        cordoned = false
        draining = false
    }
}
