package import SidekickModel

/// Which of a host's standbys to bring online at once, because requests are held and the controller need not be asked.
package enum WakePolicy {
    /// One local replica of the service, as far as waking is concerned.
    package struct Candidate: Hashable, Sendable {
        package enum State: Hashable, Sendable {
            /// Gets requests.
            case ready
            /// On its way to getting requests, or online and not ready.
            case coming
            /// Offline on this rung, or on its way to it, and not ordered to go.
            case standby(Rung)
            /// Still running, on its way offline: it only has to be left running.
            case leaving
        }

        package var replica: ReplicaID
        package var revision: Int
        package var state: State

        package init(replica: ReplicaID, revision: Int, state: State) {
            self.replica = replica
            self.revision = revision
            self.state = state
        }
    }

    /// The replicas to wake, most useful first.
    ///
    /// Enough to give every open request a slot: `ceil(inflight / concurrency)`, so 25 open requests at 8 a replica want 4; with 1 ready and
    /// 1 coming, 2 are woken. Without a declared concurrency a request is only held when nothing is ready, so 1 is wanted. No more than
    /// `maxOnline` are up at once.
    package static func wakes(load: LoadSample, route: ServiceRoute, candidates: [Candidate]) -> [ReplicaID] {
        guard load.queue > 0 else { return [] }
        let up = candidates.count { $0.state == .ready || $0.state == .coming }
        let wanted = route.concurrency.map { (max(load.inflight, load.queue) + $0 - 1) / max(1, $0) } ?? 1
        let missing = min(wanted, route.maxOnline) - up
        guard missing > 0 else { return [] }
        return candidates.compactMap { candidate in rank(candidate, route: route).map { (candidate.replica, $0) } }
            .sorted { ($0.1, $0.0) < ($1.1, $1.0) }
            .prefix(missing).map(\.0)
    }

    /// How many replicas a held request may hope for on this host: those on their way, and those a wake could still bring online.
    package static func prospects(route: ServiceRoute, candidates: [Candidate]) -> Int {
        let coming = candidates.count { $0.state == .coming }
        let ready = candidates.count { $0.state == .ready }
        let wakeable = candidates.count { rank($0, route: route) != nil }
        return coming + min(wakeable, max(0, route.maxOnline - coming - ready))
    }

    /// Lower is woken first; nil cannot be woken. The route's revision goes before any other, however ready that one is.
    private static func rank(_ candidate: Candidate, route: ServiceRoute) -> Int? {
        let readiness: Int
        switch candidate.state {
        case .ready, .coming: return nil
        case .leaving: readiness = 0
        case .standby(.online), .standby(.frozen): readiness = 1
        case .standby(.prepared): readiness = 2
        case .standby(.staged): readiness = 3
        }
        return candidate.revision == route.revision ? readiness : readiness + 10
    }
}

extension ReplicaLifecycle {
    /// What it is to a wake; nil when it cannot help: to be removed, or failed and waiting for its next attempt.
    package var wakeState: WakePolicy.Candidate.State? {
        if case .ready = routing { return .ready }
        guard goal != .removed else { return nil }
        let failed = observed.phase == .failed
        if goal == .rung(.online) { return failed ? nil : .coming }
        switch stage {
        case .draining: return .leaving
        case .absent, .staging, .staged, .preparing: return failed ? nil : .standby(.staged)
        case .prepared: return .standby(.prepared)
        case .starting, .probing, .running, .freezing, .frozen, .thawing: return .standby(.frozen)
        case .stopping, .killing, .exited, .removing, .removed: return nil
        }
    }
}
