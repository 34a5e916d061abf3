import SidekickModel

/// One step of moving a service's replicas to what is in force: adopt what woke by itself, bring enough online, let go what is
/// leaving as far as availability allows, take down what is too many, keep the standbys.
///
/// Online replicas are *keepers* (of a revision that stays, on a host that stays, not broken) or *leavers*; standbys likewise.
/// One rule moves a rollout, a rollback, a draining host and a broken replica alike: keepers are added within the surge, leavers
/// go once enough others serve.
struct ReplicaPlan {
    private let service: ServiceView
    let policy: ReplicaPolicyInForce
    private let now: Instant
    private var placement: Placement
    private(set) var keepers: [Standing]
    private(set) var leavers: [Standing]
    private var spares: [Standing]
    private(set) var leavingSpares: [Standing]
    /// Replicas already given their order in this step and counted where they will be.
    private var newKeepers = 0
    private(set) var newLeavers = 0
    /// Online replicas ordered to leave in this step.
    private var going: Set<ReplicaID> = []
    private var newSpares = 0
    private var crowding: [String: Int] = [:]
    private(set) var actions: [FleetAction] = []
    /// Why the first replica that found no host with room found none.
    private var shortage: Shortage?
    /// Whether replicas of this service are on their way out of hosts that can carry that out.
    private let isMakingRoom: Bool

    init(service: ServiceView, policy: ReplicaPolicyInForce, standings: [Standing], placement: Placement, now: Instant) {
        self.service = service
        self.policy = policy
        self.placement = placement
        self.now = now
        let present = standings.filter { !$0.isRemoving }
        isMakingRoom = standings.contains { $0.isRemoving && $0.mayBeOrdered }
        func stays(_ one: Standing) -> Bool {
            (policy.keepsAll || one.revision == policy.target) && !one.hostDraining && !one.isBroken
        }
        keepers = present.filter { $0.isOnline && stays($0) }
        leavers = present.filter { $0.isOnline && !stays($0) }
        spares = present.filter { $0.isStandby && stays($0) }
        leavingSpares = present.filter { $0.isStandby && !stays($0) }
        for one in present where one.isOnline { crowding[one.host, default: 0] += 1 }
    }

    /// Keepers that serve and are trusted.
    var counted: Int { keepers.count(where: serves) }

    /// Ready, and for long enough where its revision has yet to prove itself.
    private func serves(_ one: Standing) -> Bool {
        isOnTrial(one) ? one.provenAt(bake: policy.bake, now: now) != nil : one.isReady
    }

    private func isOnTrial(_ one: Standing) -> Bool { policy.wantsProof && one.revision == policy.target }

    private var isProven: Bool {
        !policy.wantsProof || policy.fallback == nil || (counted > 0 && policy.canaries == nil)
    }
    /// Fewest replicas of the old revision to hold on to while canary steps last: its share of the load, one where there is any.
    private var floorOfLeavers: Int {
        guard let canaries = policy.canaries, policy.online > 0 else { return 0 }
        return min(max(1, policy.online - canaries), placedCounts() - canaries)
    }
    private var total: Int { keepers.count + leavers.count + newKeepers + newLeavers }
    /// Fewest keepers to hold on to: a rollout at zero keeps one until it is decided.
    private var floorOfKeepers: Int { max(policy.online, policy.wantsProof ? 1 : 0) }

    /// Whether replicas wait for room. Nothing is said while some host is silent or replicas of this service are going, since what
    /// room there will be is not known then.
    var room: Room {
        guard let shortage else { return .enough }
        return isMakingRoom || !going.isEmpty || placement.isUncertain ? .unclear : .lacking(shortage)
    }

    mutating func make() {
        let room = placedCounts()
        adopt()
        serveLoadByFallback(room: room)
        addKeepers(room: room)
        releaseLeavers()
        releaseKeepers()
        keepSpares()
    }

    /// The most online replicas there may be.
    private func placedCounts() -> Int { max(policy.online + policy.surge, floorOfKeepers) }

    private mutating func adopt() {
        for one in keepers + leavers where one.awaitsAdoption {
            actions.append(.order(one.id, .rung(.online)))
            actions.append(
                .event(
                    FleetEvent(
                        at: now, kind: .replicaWokenLocally, service: service.record.name, host: one.host, replica: one.id,
                        message: "\(one.id) was brought online by \(one.host) itself because a request was held")))
        }
    }

    /// Until the new revision has proved itself, load is carried by the old one; what may be missing is left to the new one, since on a
    /// full host the two would take the same room from each other for ever.
    private mutating func serveLoadByFallback(room: Int) {
        guard !isProven, let fallback = policy.fallback else { return }
        let short = max(policy.online - policy.unavailable - leavers.count - counted, floorOfLeavers - leavers.count)
        var need = min(short, room - total)
        while need > 0, promote(from: \.leavingSpares, where: { $0.revision == fallback }) {
            newLeavers += 1
            need -= 1
        }
        while need > 0, create(fallback, .rung(.online)) {
            newLeavers += 1
            need -= 1
        }
    }

    private mutating func addKeepers(room: Int) {
        let trial = policy.canaries ?? max(policy.surge, policy.unavailable, 1)
        let wanted = isProven ? floorOfKeepers : min(floorOfKeepers, trial)
        var add = min(wanted - keepers.count, room - total)
        while add > 0, promote(from: \.spares, where: { _ in true }) {
            newKeepers += 1
            add -= 1
        }
        // What is missing for load comes faster from an old standby than from nothing.
        let fallback = policy.fallback
        while add > 0, total < policy.online, promote(from: \.leavingSpares, where: { $0.revision == fallback }) {
            newLeavers += 1
            add -= 1
        }
        while add > 0, create(policy.target, .rung(.online)) {
            newKeepers += 1
            add -= 1
        }
    }

    private mutating func releaseLeavers() {
        let least = policy.online - policy.unavailable
        var budget = leavers.count { !isOnTrial($0) || serves($0) } + counted - least
        var servingBudget = leavers.count(where: serves) + counted - least
        if policy.canaries != nil {
            budget = min(budget, leavers.count - floorOfLeavers)
            servingBudget = min(servingBudget, leavers.count(where: serves) - floorOfLeavers)
        }
        for one in inOrderOfLeaving(leavers) where isFree(one) {
            if policy.distrustsLeavers && !one.isReady && one.revision != policy.target {
                release(one, .removed)
                continue
            }
            let serves = serves(one)
            if serves || !isOnTrial(one) {
                guard budget > 0, !serves || servingBudget > 0 else { continue }
                budget -= 1
                if serves { servingBudget -= 1 }
            }
            let kept = !isProven && one.revision == policy.fallback && !one.hostDraining && !one.isBroken
            if kept && spares.count + leavingSpares.count + newSpares < policy.standby {
                newSpares += 1
                release(one, .rung(rung(of: one.revision)))
            } else {
                release(one, .removed)
            }
        }
    }

    private mutating func releaseKeepers() {
        var surplus = keepers.count + newKeepers - floorOfKeepers
        guard surplus > 0 else { return }
        // What serves stays while what does not serve yet may turn out never to.
        var servingSurplus = counted + leavers.count { serves($0) && !going.contains($0.id) } - policy.online
        for one in inOrderOfLeaving(keepers) where surplus > 0 && isFree(one) {
            if serves(one) {
                guard servingSurplus > 0 else { continue }
                servingSurplus -= 1
            }
            surplus -= 1
            if spares.count + newSpares < policy.standby && !one.hasFailed {
                newSpares += 1
                release(one, .rung(rung(of: one.revision)))
            } else {
                release(one, .removed)
            }
        }
        keepers.removeAll { going.contains($0.id) }
    }

    private mutating func keepSpares() {
        for one in spares where one.mayBeOrdered && one.view.record.desired != .rung(rung(of: one.revision)) {
            raise(one)
        }
        // An online replica beyond what load wants becomes a standby once the rollout is decided.
        let coming = max(0, keepers.count - policy.online)
        if isProven {
            var short = policy.standby - spares.count - newSpares - coming
            while short > 0, create(policy.target, .rung(rung(of: policy.target))) {
                newSpares += 1
                short -= 1
            }
            let reached = spares.count { ($0.reachedRung ?? .staged) >= rung(of: $0.revision) && $0.reachedRung != nil }
            var excess = reached + coming + leavingSpares.count - policy.standby
            if short > 0 && excess <= 0 && !leavingSpares.isEmpty { excess = 1 }
            excess = max(excess, leavingSpares.count { $0.isBroken })
            releaseSpares(\.leavingSpares, excess)
            releaseSpares(\.spares, spares.count + newSpares - policy.standby)
        } else {
            releaseSpares(\.leavingSpares, spares.count + leavingSpares.count + newSpares - policy.standby)
        }
    }

    private mutating func releaseSpares(_ pool: WritableKeyPath<Self, [Standing]>, _ count: Int) {
        guard count > 0 else { return }
        let crowding = crowding
        let victims = self[keyPath: pool].filter(\.mayBeOrdered).sorted { $1.wakesBefore($0, crowding: crowding) }.prefix(count)
        for one in victims { actions.append(.order(one.id, .removed)) }
        let ids = Set(victims.map(\.id))
        if pool == \.spares { spares.removeAll { ids.contains($0.id) } }
    }

    private func inOrderOfLeaving(_ replicas: [Standing]) -> [Standing] {
        replicas.sorted { a, b in
            serves(a) != serves(b) ? serves(b) : a.goesBefore(b, crowding: crowding)
        }
    }

    private func isFree(_ one: Standing) -> Bool {
        one.mayBeOrdered && !one.awaitsAdoption
            && (!one.isFresh(now: now) || policy.distrustsLeavers && one.revision != policy.target)
    }

    private mutating func release(_ one: Standing, _ desired: DesiredState) {
        going.insert(one.id)
        actions.append(.order(one.id, desired))
        guard one.isBroken else { return }
        actions.append(
            .event(
                FleetEvent(
                    at: now, kind: .replicaFailed, service: service.record.name, host: one.host, replica: one.id,
                    message: "\(one.id) failed to start \(one.view.failures) times on \(one.host) and is replaced")))
    }

    private mutating func promote(
        from pool: WritableKeyPath<Self, [Standing]>, where admits: (Standing) -> Bool
    ) -> Bool {
        let crowding = crowding
        let able = self[keyPath: pool].filter {
            $0.mayBeOrdered && !$0.hostDraining && !$0.isBroken && admits($0)
                && placement.hasRoom(for: more($0, at: .rung(.online)), on: $0.host)
        }
        guard let best = able.min(by: { $0.wakesBefore($1, crowding: crowding) }) else { return false }
        self[keyPath: pool].removeAll { $0.id == best.id }
        self.crowding[best.host, default: 0] += 1
        placement.give(more(best, at: .rung(.online)), on: best.host)
        actions.append(.order(best.id, .rung(.online)))
        return true
    }

    private mutating func create(_ revision: Int, _ desired: DesiredState) -> Bool {
        guard let resources = service.revisions[revision]?.spec.resources else { return false }
        guard let host = placement.place(resources, at: desired) else {
            shortage = shortage ?? placement.shortage(of: service.record.name, resources, at: desired)
            return false
        }
        if desired == .rung(.online) { crowding[host, default: 0] += 1 }
        actions.append(.create(service: service.record.name, revision: revision, host: host, desired: desired))
        return true
    }

    /// Takes a standby to the rung its revision keeps standbys at, where its host has room for that.
    private mutating func raise(_ one: Standing) {
        let desired = DesiredState.rung(rung(of: one.revision))
        let more = more(one, at: desired)
        guard placement.hasRoom(for: more, on: one.host) else {
            let resources = service.revisions[one.revision]?.spec.resources ?? Resources()
            shortage = shortage ?? placement.shortage(of: service.record.name, resources, at: desired)
            return
        }
        placement.give(more, on: one.host)
        actions.append(.order(one.id, desired))
    }

    /// What `one` will hold at `desired` beyond what it holds now.
    private func more(_ one: Standing, at desired: DesiredState) -> Reservation {
        let resources = service.revisions[one.revision]?.spec.resources ?? Resources()
        return Reservation(resources, desired: desired, observed: one.view.observed)
            .beyond(Reservation(resources, desired: one.view.record.desired, observed: one.view.observed))
    }

    private func rung(of revision: Int) -> Rung { service.revisions[revision]?.spec.replicas.rung ?? .prepared }
}
