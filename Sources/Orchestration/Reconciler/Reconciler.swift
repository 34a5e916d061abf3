package import SidekickModel

/// Turns what is wanted of one service and what is observed of it into orders: replica accounting here, which revision gets how
/// many in `RolloutStep` and `ReplicaPlan`, which host in `Placement`.
///
/// Called again with what it ordered carried out, it orders nothing. It never gives one replica two orders in a step, gives none
/// to a host that is not alive (except that deleting a service is written down for all), and does not count what is lost or going.
package enum Reconciler {
    /// Failed starts after which a replica is replaced rather than left to its agent's own retries.
    package static let failureBound = 5
    /// How long a new order protects an online replica from being scaled down: a local wake is known before the load that caused
    /// it has raised the wanted count.
    package static let freshness = Milliseconds.seconds(3)

    /// The orders for `service`. `hosts` are all hosts of the fleet; `now` is the clock of the records: wall clock at the
    /// controller's start plus the monotonic time since, so that a jump of the wall clock expires nothing.
    package static func actions(for service: ServiceView, hosts: [HostView], now: Instant) -> [FleetAction] {
        let hostsByName = Dictionary(hosts.map { ($0.record.name, $0) }, uniquingKeysWith: { first, _ in first })
        var actions: [FleetAction] = []
        var standings: [Standing] = []
        for view in service.replicas.sorted(by: { $0.record.id < $1.record.id }) {
            guard let host = hostsByName[view.record.host], !isGone(view, host) else {
                actions.append(.forget(view.record.id))
                continue
            }
            if host.liveness == .lost && !service.record.deleting { continue }
            standings.append(Standing(view: view, liveness: host.liveness, hostDraining: host.record.draining))
        }
        if service.record.deleting { return actions + deletion(of: service, standings) }

        var rollout = service.rollout
        if let before = rollout, !before.phase.isFinished {
            let step = RolloutStep(before, service: service, standings: standings, now: now)
            rollout = step.after
            actions += step.events.map(FleetAction.event)
        }
        let policy = ReplicaPolicyInForce(service: service, rollout: rollout)
        var plan = ReplicaPlan(
            service: service, policy: policy, standings: standings,
            placement: Placement(hosts: hosts, replicas: service.replicas), now: now)
        plan.make()
        actions += plan.actions
        actions += plan.room.events(for: service, now: now).map(FleetAction.event)
        rollout = rollout?.telling(of: plan.room)
        if let current = rollout {
            let finish = RolloutStep.finish(current, plan: plan, now: now)
            rollout = finish.after
            actions += finish.actions
        }
        if let rollout, rollout != service.rollout { actions.append(.rollout(rollout)) }
        return actions
    }

    /// Reported removed, or ordered to go from a host that is lost: should that host return, its first full synchronisation
    /// no longer names the replica, and the agent removes it.
    private static func isGone(_ view: ReplicaView, _ host: HostView) -> Bool {
        view.observed?.phase == .removed || (view.record.desired == .removed && host.liveness == .lost)
    }

    private static func deletion(of service: ServiceView, _ standings: [Standing]) -> [FleetAction] {
        if standings.isEmpty { return [.removeService(service.record.name)] }
        return standings.filter { !$0.isRemoving }.map { .order($0.id, .removed) }
    }
}
