/// One recorded output of the autoscaler with its inputs and a sentence saying why.
package struct Decision: Hashable, Sendable, Codable {
    /// Handed out by the store, rising; 0 before it is stored.
    package var id: Int64
    package var service: String
    /// Wall clock.
    package var at: Instant
    package var onlineBefore: Int
    package var onlineAfter: Int
    package var standbyBefore: Int
    package var standbyAfter: Int
    /// One plain sentence: why.
    package var reason: String
    /// One plain sentence: what would have changed it.
    package var otherwise: String
    /// The inputs it was made from, by name, in the order an operator wants to read them.
    package var inputs: [DecisionInput]

    package init(
        service: String, at: Instant, onlineBefore: Int, onlineAfter: Int, standbyBefore: Int, standbyAfter: Int, reason: String,
        otherwise: String, inputs: [DecisionInput]
    ) {
        id = 0
        self.service = service
        self.at = at
        self.onlineBefore = onlineBefore
        self.onlineAfter = onlineAfter
        self.standbyBefore = standbyBefore
        self.standbyAfter = standbyAfter
        self.reason = reason
        self.otherwise = otherwise
        self.inputs = inputs
    }
}

package struct DecisionInput: Hashable, Sendable, Codable {
    package var name: String
    package var value: Double

    package init(_ name: String, _ value: Double) {
        self.name = name
        self.value = value
    }
}

/// Something that happened and that an operator may want to read later.
package struct FleetEvent: Hashable, Sendable, Codable {
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        case serviceApplied, serviceDeleted, scaled
        case rolloutStarted, rolloutPaused, rolloutResumed, rolloutSucceeded, rolloutRollingBack, rolloutRolledBack
        /// A canary step began or went well.
        case rolloutCanary
        case replicaCreated, replicaWokenLocally, replicaFailed, replicaRemoved
        /// Replicas of the service wait because no host has room for them; they no longer do.
        case noRoom, roomFound
        case hostJoined, hostConnected, hostLost, hostRefused, hostCordoned, hostDraining
        case controllerStarted, storeTrouble
    }

    /// Handed out by the store, rising; 0 before it is stored.
    package var id: Int64
    /// Wall clock.
    package var at: Instant
    package var kind: Kind
    package var service: String?
    package var host: String?
    package var replica: ReplicaID?
    package var message: String

    package init(
        at: Instant, kind: Kind, service: String? = nil, host: String? = nil, replica: ReplicaID? = nil, message: String
    ) {
        id = 0
        self.at = at
        self.kind = kind
        self.service = service
        self.host = host
        self.replica = replica
        self.message = message
    }
}
