/// What an agent reports of one replica. Observed state is never durable: the controller rebuilds it from reports.
package struct ObservedReplica: Hashable, Sendable, Codable {
    package enum Phase: String, Hashable, Sendable, Codable, CaseIterable {
        /// On its way up to the desired rung.
        case starting
        /// At `rung`; when `rung` is `online`, probes decide `ready`.
        case settled
        /// Gets no new request; in-flight ones finish.
        case draining
        /// Signalled, on its way out.
        case stopping
        /// Ended by itself or never started; `failure` says why. The agent tries again after a backoff.
        case failed
        /// Gone from the host; the last report of this replica.
        case removed
    }

    package var replica: ReplicaID
    package var service: String
    package var revision: Int
    /// The generation of the assignment this state answers.
    package var generation: Int64
    package var phase: Phase
    /// The rung it is on, nil when on none.
    package var rung: Rung?
    /// Whether it may get requests.
    package var ready: Bool
    /// True when the host brought it online by itself because a request was held.
    package var wokenLocally: Bool
    /// `address:port` the gateway reaches it at.
    package var endpoint: String?
    /// Process id of the container's first process on the host, when one runs.
    package var pid: Int?
    /// How often it was started.
    package var starts: Int
    /// How long the last start took from the order to ready.
    package var startTook: Milliseconds?
    /// What went wrong last, as a sentence.
    package var failure: String?

    package init(replica: ReplicaID, service: String, revision: Int, generation: Int64, phase: Phase) {
        self.replica = replica
        self.service = service
        self.revision = revision
        self.generation = generation
        self.phase = phase
        self.rung = nil
        self.ready = false
        self.wokenLocally = false
        self.endpoint = nil
        self.pid = nil
        self.starts = 0
        self.startTook = nil
        self.failure = nil
    }
}
