package import SidekickModel

/// What the outside sees of a lifecycle, computed from its state.
extension ReplicaLifecycle {
    struct Outputs: Hashable {
        var routing: ReplicaRouting
        var probes: [ProbeOrder]
        var memory: ReplicaMemory
        var observed: ObservedReplica

        init(of lifecycle: ReplicaLifecycle) {
            routing = lifecycle.routing
            probes = lifecycle.probes
            memory = lifecycle.memory
            observed = lifecycle.observed
        }
    }

    /// Routing goes first: what takes requests away must come before what ends them, and what gives requests should not wait.
    func actions(since before: Outputs?, commands: [LifecycleAction]) -> [LifecycleAction] {
        let after = Outputs(of: self)
        var actions: [LifecycleAction] = []
        if after.routing != before?.routing ?? .none { actions.append(.route(after.routing)) }
        let probesBefore = before?.probes ?? []
        for old in probesBefore where !after.probes.contains(old) { actions.append(.stopProbe(old.kind)) }
        actions += commands
        for new in after.probes where !probesBefore.contains(new) {
            actions.append(.startProbe(new, eager: new.kind == .startup || (new.kind == .ready && !ready)))
        }
        if after.memory != before?.memory { actions.append(.remember(after.memory)) }
        if after.observed != before?.observed { actions.append(.report(after.observed)) }
        return actions
    }

    /// How the gateway is to treat it. A replica that lost its readiness, or is stopped for a failure, may still have requests in flight.
    package var routing: ReplicaRouting {
        guard let endpoint else { return .none }
        switch stage {
        case .running where goal == .rung(.online) && ready && !isStale: return .ready(endpoint)
        case .running, .draining, .stopping, .killing: return everRouted ? .draining(endpoint) : .none
        default: return .none
        }
    }

    /// The checks that are to be repeated now.
    var probes: [ProbeOrder] {
        switch stage {
        case .probing:
            return startupProbe.map { [ProbeOrder(attempt: memory.attempt, kind: .startup, probe: $0)] } ?? []
        case .running where goal == .rung(.online):
            var orders: [ProbeOrder] = []
            if let probe = assignment.spec.health.ready ?? (suspect || !ready ? defaultProbe : nil) {
                orders.append(ProbeOrder(attempt: memory.attempt, kind: .ready, probe: probe))
            }
            if let probe = assignment.spec.health.live {
                orders.append(ProbeOrder(attempt: memory.attempt, kind: .live, probe: probe))
            }
            return orders
        default: return []
        }
    }

    /// What gates `online`: the declared probe, else a connect to the request port, else nothing but that the process runs.
    var startupProbe: Probe? { assignment.spec.health.startup ?? defaultProbe }

    /// A connect to the request port, when there is one.
    private var defaultProbe: Probe? {
        guard endpoint != nil, let port = assignment.spec.requestPort else { return nil }
        var probe = Probe()
        probe.tcp = port.name
        probe.every = Milliseconds(500)
        return probe
    }

    package var observed: ObservedReplica {
        var observed = ObservedReplica(
            replica: assignment.replica, service: assignment.service, revision: assignment.revision,
            generation: assignment.generation, phase: phase)
        observed.rung = rung
        if case .ready = routing { observed.ready = true }
        observed.wokenLocally = isWokenLocally
        observed.endpoint = endpoint
        observed.pid = pid
        observed.starts = memory.starts
        observed.startTook = startTook
        observed.failure = failure
        return observed
    }

    private var phase: ObservedReplica.Phase {
        switch stage {
        case .removed: return .removed
        case .exited: return .failed
        case .draining: return .draining
        case .stopping, .killing, .removing: return failing ? .failed : .stopping
        case .absent, .staged:
            if isAtGoal { return .settled }
            return backoffUntil == nil ? .starting : .failed
        default: return isAtGoal ? .settled : .starting
        }
    }

    /// Whether it rests where it is to be.
    package var isAtGoal: Bool {
        guard !isStale else { return false }
        return switch stage {
        case .staged: goal == .rung(.staged)
        case .prepared: goal == .rung(.prepared)
        case .frozen: goal == .rung(.frozen)
        case .running: goal == .rung(.online)
        case .removed: goal == .removed
        default: false
        }
    }

    private var rung: Rung? {
        switch stage {
        case .absent, .staging, .stopping, .killing, .exited, .removing, .removed: nil
        case .staged, .preparing: .staged
        case .prepared, .starting, .probing: .prepared
        case .freezing, .frozen, .thawing: .frozen
        case .draining: .online
        case .running: goal == .rung(.frozen) ? .prepared : .online
        }
    }
}
