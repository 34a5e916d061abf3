import SidekickModel

/// Where one replica stands, as far as deciding about it goes.
struct Standing {
    let view: ReplicaView
    let liveness: HostView.Liveness
    let hostDraining: Bool

    var id: ReplicaID { view.record.id }
    var revision: Int { view.record.revision }
    var host: String { view.record.host }
    var isRemoving: Bool { view.record.desired == .removed }
    /// Orders are given to hosts that are there to take them.
    var mayBeOrdered: Bool { liveness == .alive }

    /// Its host brought it online by itself, and the order does not say so yet.
    var awaitsAdoption: Bool {
        guard let observed = view.observed, observed.wokenLocally, liveness == .alive else { return false }
        guard case .rung(let rung) = view.record.desired, rung != .online else { return false }
        return observed.phase == .starting || observed.phase == .settled
    }

    var isOnline: Bool { view.record.desired == .rung(.online) || awaitsAdoption }
    var isStandby: Bool { !isOnline && !isRemoving }

    /// Serves, as far as is known at this moment.
    var isReady: Bool {
        guard let observed = view.observed, liveness == .alive else { return false }
        return observed.ready && observed.phase == .settled && observed.rung == .online
    }

    /// Since when it has been ready for `bake`; nil when it has not.
    func provenAt(bake: Milliseconds, now: Instant) -> Instant? {
        guard isReady, let since = view.readySince, since + bake <= now else { return nil }
        return since + bake
    }

    var hasFailed: Bool { view.observed?.phase == .failed }

    /// Failed so often that its agent's own retries are given up.
    var isBroken: Bool { liveness == .alive && hasFailed && view.failures >= Reconciler.failureBound }

    /// The rung an offline replica has reached.
    var reachedRung: Rung? {
        guard let observed = view.observed, observed.phase == .settled else { return nil }
        return observed.rung
    }

    /// Whether its order is so fresh that load may not have shown in the wanted count yet.
    func isFresh(now: Instant) -> Bool {
        now < view.record.changedAt + Reconciler.freshness && now >= view.record.changedAt && !hasFailed
    }

    /// Whether `self` goes before `other` when an online replica has to go: not ready, then older revision, then on the fuller
    /// host, then newer.
    func goesBefore(_ other: Standing, crowding: [String: Int]) -> Bool {
        if isReady != other.isReady { return !isReady }
        if revision != other.revision { return revision < other.revision }
        let (a, b) = (crowding[host, default: 0], crowding[other.host, default: 0])
        return a != b ? a > b : id > other.id
    }

    /// Whether `self` comes online before `other`: the higher rung reached, then on the emptier host, then older.
    func wakesBefore(_ other: Standing, crowding: [String: Int]) -> Bool {
        if hasFailed != other.hasFailed { return !hasFailed }
        if reachedRung != other.reachedRung {
            guard let mine = reachedRung else { return false }
            guard let theirs = other.reachedRung else { return true }
            return mine > theirs
        }
        let (a, b) = (crowding[host, default: 0], crowding[other.host, default: 0])
        return a != b ? a < b : id < other.id
    }
}
