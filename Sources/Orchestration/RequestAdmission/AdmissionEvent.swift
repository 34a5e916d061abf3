package import SidekickModel

/// One request of one client, by a number the gateway chooses; unique among the open ones.
package struct RequestID: Hashable, Sendable {
    package var number: UInt64
    /// Came from another host's gateway: it is served here or sent back, and never goes to a third.
    package var isForwarded: Bool

    package init(_ number: UInt64, isForwarded: Bool = false) {
        self.number = number
        self.isForwarded = isForwarded
    }
}

/// The place of one endpoint or peer among a service's, handed out with a request and brought back when it ends.
package struct EndpointRef: Hashable, Sendable {
    var slot: Int32
    var generation: UInt32
    /// Another host's gateway rather than a replica of this host.
    package internal(set) var isPeer = false
}

/// One replica requests may be sent to.
package struct AdmissionEndpoint: Hashable, Sendable {
    package var replica: ReplicaID
    /// The gateway's own number for the address; a replica with another number is another endpoint.
    package var target: Int32
    /// Gets no new request.
    package var draining: Bool
    /// Of the agent's order about the replica, told back when it is drained.
    package var number: Int64
    /// The service's revision it runs, which shares of requests go by.
    package var revision: Int

    package init(replica: ReplicaID, target: Int32, draining: Bool, number: Int64 = 0, revision: Int = 0) {
        self.revision = revision
        self.replica = replica
        self.target = target
        self.draining = draining
        self.number = number
    }
}

/// Another host's gateway, which requests go to that no replica of this host can serve.
package struct AdmissionPeer: Hashable, Sendable {
    /// The gateway's own number for the address.
    package var target: Int32
    /// Of this host's zone.
    package var near: Bool
    /// Replicas behind it that get requests, and those it can bring online.
    package var online: Int
    package var standby: Int

    package init(target: Int32, near: Bool, online: Int, standby: Int) {
        self.target = target
        self.near = near
        self.online = online
        self.standby = standby
    }
}

/// What one endpoint has at one moment.
package struct EndpointLoad: Hashable, Sendable {
    package var replica: ReplicaID
    package var target: Int32
    package var draining: Bool
    package var inFlight: Int
    /// Gets no requests for a while because it kept failing.
    package var ejected: Bool
}

/// How a service's requests are limited and held.
package struct AdmissionPolicy: Hashable, Sendable {
    /// Requests one replica gets at once; nil means no limit.
    package var concurrency: Int?
    package var holdDeadline: Milliseconds
    package var holdLimit: Int
    /// The most memory held requests may take.
    package var holdBytes: Int
    /// How many of the requests go to which revisions; empty: to whichever endpoint has the fewest.
    package var shares: [RevisionShare]

    package init(
        concurrency: Int?, holdDeadline: Milliseconds, holdLimit: Int, holdBytes: Int = .max, shares: [RevisionShare] = []
    ) {
        self.shares = shares
        self.concurrency = concurrency
        self.holdDeadline = holdDeadline
        self.holdLimit = holdLimit
        self.holdBytes = holdBytes
    }
}

/// What happened to a service's requests or replicas.
package enum AdmissionEvent: Hashable, Sendable {
    /// `bytes`: the memory it takes while it is held.
    case arrived(RequestID, bytes: Int = 0)
    /// Another host's gateway sent it, where it arrived at `since`.
    case visited(RequestID, since: Instant, bytes: Int = 0)
    /// The exchange with the endpoint is over, however it ended. `failed` says that the gateway answered 5xx for the replica.
    case finished(EndpointRef, failed: Bool)
    /// No byte reached the endpoint: the request, which arrived at `arrived`, needs another.
    case connectFailed(RequestID, EndpointRef, arrived: Instant)
    /// The endpoint took the connection and closed it without a byte, and the request may be sent again: it needs a place once more.
    /// That says little of the endpoint: one request can make every replica do so.
    case returned(RequestID, EndpointRef, arrived: Instant)
    /// The peer has no place for it; no other gateway or replica saw it.
    case turnedAway(RequestID, EndpointRef, arrived: Instant)
    /// The client of a held request left.
    case gone(RequestID)
    /// The whole set of endpoints; replaces what was there.
    case endpoints([AdmissionEndpoint])
    /// How many local replicas a held request makes the agent bring online (or that are coming), and the other hosts' gateways.
    case surroundings(standby: Int, peers: [AdmissionPeer])
    case policy(AdmissionPolicy)
    /// The agent was told nothing so far: report every drained endpoint again.
    case reportDrained
    /// The service is gone: whoever is held is refused.
    case removed
    /// `nextTick` has come.
    case tick
}

/// What a gateway has to do.
package enum AdmissionAction: Hashable, Sendable {
    case forward(RequestID, EndpointRef, target: Int32)
    /// No endpoint is free: the request waits. Exactly one `forward` or `refuse` follows, unless it is `gone`.
    case hold(RequestID)
    case refuse(RequestID, AdmissionRefusal)
    /// Requests wait: the agent is to be told at once.
    case notifyHeld
    case notifyDrained(ReplicaID, number: Int64 = 0)
    case notifyUnreachable(ReplicaID)
    /// The replica kept failing and gets no requests for this long.
    case notifyEjected(ReplicaID, Milliseconds)
}

/// Why a request is answered 503.
package enum AdmissionRefusal: Hashable, Sendable {
    case queueFull, deadline, serviceRemoved
    /// A forwarded request for which nothing is online, nor could be, or all is taken: its gateway looks elsewhere.
    case noPlace
}
