package import SidekickModel

/// What an agent sends to the controller over its session.
package enum AgentMessage: Hashable, Sendable {
    /// First message of every session: who the host is, and its full observed state; replaces whatever was known.
    case hello(identity: HostIdentity, secret: String, observed: [ObservedReplica])
    /// Changes since the last report, one entry per changed replica.
    case observed([ObservedReplica])
    /// Each second, one sample per service that has a route on this host; at once when a request is held.
    case load([LoadSample])
    /// Part of the answer to `readLogs`; `end` closes it, with `failure` when it could not be read.
    case logs(request: Int64, bytes: [UInt8], end: Bool, failure: String?)
    case heartbeat
}

/// What the controller sends to an agent.
package enum ControllerMessage: Hashable, Sendable {
    /// Answers `hello` and carries the host's full desired state: replicas and routes not in it are to be removed. `epoch` rises with
    /// every start of the controller; an agent refuses a session with an epoch below the highest it has seen.
    case sync(epoch: Int64, assignments: [Assignment], routes: [ServiceRoute])
    /// Refuses the session; the agent reports why and retries later.
    case refused(reason: String)
    /// New or changed orders.
    case assignments([Assignment])
    /// New or changed routes.
    case routes([ServiceRoute])
    /// Services that are gone from the fleet.
    case removeRoutes([String])
    /// Services that are gone from the fleet and whose named volumes an operator wants gone too.
    case removeVolumes([String])
    /// The controller has noted that these replicas are removed: the agent may forget them.
    case forget([ReplicaID])
    /// Asks for the last `tail` lines of a replica's log, and with `follow` for what comes after, until `cancelLogs`.
    case readLogs(request: Int64, replica: ReplicaID, tail: Int, follow: Bool)
    case cancelLogs(request: Int64)
    case heartbeat
    /// What the fleet's gateways know one another by; follows each `sync`.
    case peering(secret: String)
}
