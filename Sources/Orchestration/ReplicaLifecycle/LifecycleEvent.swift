package import SidekickModel

/// What may happen to one replica, as the agent tells its `ReplicaLifecycle`.
package enum LifecycleEvent: Hashable, Sendable {
    /// An order of the controller; obeyed when its generation is newer than the one held.
    case assigned(Assignment)
    /// A full sync did not name the replica: it is to go, whatever was ordered before.
    case orphaned
    /// A request is held and the host wakes this standby by itself.
    case wakeRequested
    /// The gateway has no request left for it.
    case drained
    /// The gateway could not connect to it.
    case unreachable
    /// The image is unpacked.
    case staged
    case stagingFailed(String)
    /// Something about the container of the given attempt; those of earlier attempts are late and mean nothing.
    case container(attempt: Int, ContainerEvent)
    /// `ReplicaLifecycle.deadline` has come.
    case deadlinePassed
}

/// What may happen to one container.
package enum ContainerEvent: Hashable, Sendable {
    /// Held before its program's first instruction; `endpoint` is `address:port` where it will answer, nil when it has no network or no `http` port.
    case prepared(endpoint: String?)
    case prepareFailed(String)
    case started(pid: Int)
    case startFailed(String)
    case frozen
    case freezeFailed(String)
    case thawed
    case thawFailed(String)
    /// Result of one check; `failure` is nil when it succeeded.
    case probed(ProbeKind, failure: String?)
    /// Its first process ended; `reason` says how, as a sentence.
    case exited(reason: String)
    /// The last line it wrote before it ended.
    case lastWords(String)
    case removed
    case removeFailed(String)
}

/// What a probe is for.
package enum ProbeKind: String, Hashable, Comparable, Sendable, CaseIterable {
    /// Gates `online`.
    case startup
    /// Takes the replica in and out of routing.
    case ready
    /// Restarts the replica when it fails.
    case live

    package static func < (a: ProbeKind, b: ProbeKind) -> Bool { a.rawValue < b.rawValue }
}
