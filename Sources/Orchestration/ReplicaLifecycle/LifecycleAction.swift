package import SidekickModel

/// What the agent is to do for one replica. Every container operation is answered by one `ContainerEvent`, and at most one is
/// outstanding at a time; only signals and kills, which are answered by `exited`, may overtake one that hangs.
package enum LifecycleAction: Hashable, Sendable {
    /// Unpack the image of this digest; answered by `staged` or `stagingFailed`.
    case stage(digest: String)
    case prepare(attempt: Int)
    case start(attempt: Int)
    case freeze(attempt: Int)
    case thaw(attempt: Int)
    /// Send the signal of this name (without `SIG`) to the first process.
    case signal(attempt: Int, name: String)
    case kill(attempt: Int)
    case remove(attempt: Int)
    /// Repeat this check until `stopProbe`; an eager one is repeated as fast as is sensible until it first succeeds.
    case startProbe(ProbeOrder, eager: Bool)
    case stopProbe(ProbeKind)
    /// Check now rather than when it is due.
    case probeNow(ProbeKind)
    /// How the gateway is to treat the replica from now on.
    case route(ReplicaRouting)
    /// What has to survive the agent.
    case remember(ReplicaMemory)
    /// What to tell the controller.
    case report(ObservedReplica)
}

/// One repeated check of one container.
package struct ProbeOrder: Hashable, Sendable {
    package var attempt: Int
    package var kind: ProbeKind
    package var probe: Probe

    package init(attempt: Int, kind: ProbeKind, probe: Probe) {
        self.attempt = attempt
        self.kind = kind
        self.probe = probe
    }
}

/// How the gateway is to treat one replica.
package enum ReplicaRouting: Hashable, Sendable {
    case none
    /// May get requests at `address:port`.
    case ready(String)
    /// Gets no new request; those in flight finish.
    case draining(String)
}

/// What the agent keeps of one replica beside its assignment, so that a restarted agent goes on where the last one stopped.
package struct ReplicaMemory: Hashable, Sendable, Codable {
    /// Number of the newest container made for it.
    package var attempt: Int
    /// How often it was started.
    package var starts: Int
    /// Failures in a row.
    package var failures: Int
    /// The attempt that last passed its startup probe: adopted as healthy when it still runs.
    package var healthyAttempt: Int?
    /// Generation of the assignment that a local wake overrides, when one does.
    package var wokenGeneration: Int64?

    package init() {
        attempt = 0
        starts = 0
        failures = 0
        healthyAttempt = nil
        wokenGeneration = nil
    }
}

/// A container of the replica that was found when the agent started.
package struct AdoptedContainer: Hashable, Sendable {
    package enum State: Hashable, Sendable { case prepared, running, frozen, exited(reason: String) }

    package var attempt: Int
    /// The revision it was made from.
    package var revision: Int
    package var state: State
    package var pid: Int?
    package var endpoint: String?

    package init(attempt: Int, revision: Int, state: State, pid: Int?, endpoint: String?) {
        self.attempt = attempt
        self.revision = revision
        self.state = state
        self.pid = pid
        self.endpoint = endpoint
    }
}
