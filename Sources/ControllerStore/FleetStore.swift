package import SidekickModel

/// Where the controller keeps what is wanted. One controller at a time owns a store; whatever `commit` has returned survives any crash.
package protocol FleetStore: Sendable {
    /// Number of this opening of the store: rises by one with each. Orders of a controller are fenced by it.
    var epoch: Int64 { get }

    /// Everything the controller decides from, as of the last commit.
    func load() async throws(StoreError) -> StoredFleet

    /// Makes all writes durable, or none of them.
    /// - Parameter now: wall clock; stamps the records that are made or changed.
    /// - Returns: what is so now, in the order of the writes: the ids, generations and versions handed out are in there.
    func commit(_ writes: [FleetWrite], now: Instant) async throws(StoreError) -> [FleetFact]

    /// Every rollout of a service, newest first.
    func rollouts(of service: String) async throws(StoreError) -> [RolloutRecord]
    /// Every revision of a service, newest first.
    func revisions(of service: String) async throws(StoreError) -> [Revision]
    /// With `since`, the oldest `limit` with a greater id, otherwise the newest `limit`; oldest first.
    func decisions(of service: String, limit: Int, since: Int64?) async throws(StoreError) -> [Decision]
    /// The load recorded of a service, oldest first.
    /// - Parameter since: only what began later; the oldest `limit` of it. Without it the newest `limit`.
    func loads(of service: String, limit: Int, since: Instant?) async throws(StoreError) -> [LoadRecord]
    /// `limit` and `since` as for decisions.
    func events(limit: Int, since: Int64?) async throws(StoreError) -> [FleetEvent]

    /// Copies the whole store, as of one moment, while it is in use.
    /// - Parameter path: absolute; a code `conflict` is thrown when something is there already.
    /// - Returns: the copy's size in bytes.
    func backup(to path: String) async throws(StoreError) -> Int64

    /// Ends the use of the store; what was committed stays.
    func close() async throws(StoreError)
}

/// Everything durable that the controller decides from.
package struct StoredFleet: Hashable, Sendable {
    package var services: [ServiceRecord] = []
    package var revisions: [Revision] = []
    package var replicas: [ReplicaRecord] = []
    /// The newest rollout of each service.
    package var rollouts: [RolloutRecord] = []
    package var hosts: [HostRecord] = []
    /// The newest decision of each service.
    package var decisions: [Decision] = []
    /// What the autoscaler remembers of each service, as it was written.
    package var scalerMemory: [String: String] = [:]

    package init() {}
}
