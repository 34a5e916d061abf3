package import SidekickModel

/// Brings one replica to the rung that is wanted and keeps it there, one step at a time.
///
/// The state is the product of three things: the order (assignment, and a local wake that overrides it), the stage its container is at, and
/// what probes and failures have told of the container. Everything the outside sees (routing, probes, deadline, report, memory) is computed
/// from that state, and an event's actions are the commands it causes plus the differences of those. So nothing can be routed before it is
/// ready, and no probe outlives its container.
package struct ReplicaLifecycle: Hashable, Sendable {
    /// Where its container is. Stages ending in -ing wait for the answer to one operation, or for the process to end.
    package enum Stage: String, Hashable, Sendable, CaseIterable {
        /// Nothing is there, and whether the image is unpacked is not known.
        case absent
        case staging, staged
        case preparing, prepared
        case starting
        /// The process runs; its startup probe has not passed.
        case probing
        case running
        case freezing, frozen, thawing
        /// Runs without new requests until the gateway says it has none left.
        case draining
        /// Signalled; ends by itself or is killed.
        case stopping
        case killing
        /// The process ended; container and log are kept until the next attempt.
        case exited
        case removing
        /// Gone for good.
        case removed
    }

    package internal(set) var assignment: Assignment
    package internal(set) var stage: Stage = .absent
    package internal(set) var memory: ReplicaMemory
    /// When it wants `deadlinePassed`, on the clock of `now`; nil when it waits for nothing.
    package internal(set) var deadline: Instant?

    /// A full sync did not name it.
    package internal(set) var isOrphaned = false
    /// The revision the container was made from.
    var containerRevision: Int?
    var endpoint: String?
    var pid: Int?
    /// Whether probes say that it may get requests.
    var ready = false
    /// Whether this container ever got requests, so that some may be in flight.
    var everRouted = false
    /// Whether the gateway could not connect since it last was found ready: checked by a connect even when no ready probe is declared.
    var suspect = false
    /// Whether the container is being stopped because it failed.
    var failing = false
    var failedChecks: [ProbeKind: Int] = [:]
    var failure: String?
    /// What the startup probe said last.
    var lastStartupFailure: String?
    var backoffUntil: Instant?
    /// When what is under way towards `online` was ordered.
    var orderedAt: Instant
    var readySince: Instant?
    var startTook: Milliseconds?

    let backoff: BackoffPolicy

    private init(assignment: Assignment, memory: ReplicaMemory, backoff: BackoffPolicy, now: Instant) {
        self.assignment = assignment
        self.memory = memory
        self.backoff = backoff
        orderedAt = now
    }

    /// A replica just ordered, or found again by a restarted agent, and the first things to do for it.
    /// - Parameter container: what still stands of it on the host.
    package static func begin(
        assignment: Assignment, memory: ReplicaMemory = ReplicaMemory(), container: AdoptedContainer? = nil,
        backoff: BackoffPolicy = BackoffPolicy(), now: Instant
    ) -> (lifecycle: ReplicaLifecycle, actions: [LifecycleAction]) {
        var lifecycle = ReplicaLifecycle(assignment: assignment, memory: memory, backoff: backoff, now: now)
        var commands: [LifecycleAction] = []
        if let container { lifecycle.adopt(container, now: now, &commands) }
        lifecycle.advance(now, &commands)
        return (lifecycle, lifecycle.actions(since: nil, commands: commands))
    }

    /// What the event causes, in the order it is to be done.
    package mutating func step(_ event: LifecycleEvent, now: Instant) -> [LifecycleAction] {
        let before = Outputs(of: self)
        var commands: [LifecycleAction] = []
        apply(event, now: now, &commands)
        advance(now, &commands)
        return actions(since: before, commands: commands)
    }

    /// A local wake overrides the order it was made under, and only that one.
    package var isWokenLocally: Bool { memory.wokenGeneration == assignment.generation }

    /// Where it is to go now.
    package var goal: DesiredState {
        if isOrphaned { return .removed }
        return isWokenLocally ? .rung(.online) : assignment.desired
    }

    /// The rung it is to go to; nil when it is to be removed.
    var goalRung: Rung? {
        if case .rung(let rung) = goal { rung } else { nil }
    }

    /// Whether the container was made from something else than what is ordered now.
    var isStale: Bool { containerRevision.map { $0 != assignment.revision } ?? false }
}
