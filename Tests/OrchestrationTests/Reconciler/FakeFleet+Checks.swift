import Orchestration
import SidekickModel

/// The strict model: what no step of the reconciler may ever do.
extension FakeFleet {
    func isReady(_ id: ReplicaID) -> Bool {
        guard let order = replicas[id], order.desired == .rung(.online), liveness(order.host) == .alive else { return false }
        return running[id]?.observed.ready == true
    }

    private func describe(_ id: ReplicaID) -> String {
        guard let order = replicas[id] else { return "\(id): gone" }
        let seen = running[id]?.observed
        let since = readySince[id].map { String(describing: now - $0) } ?? "-"
        return "\(id)(\(order.revision)) on \(order.host) \(liveness(order.host)): \(order.desired) g\(order.generation), "
            + "\(seen?.phase.rawValue ?? "-") \(seen?.rung?.rawValue ?? "-") g\(seen?.generation ?? 0) "
            + "woken \(seen?.wokenLocally == true) ready \(seen?.ready == true) since \(since)"
    }

    mutating func check(_ actions: [FleetAction], _ before: ServiceView) {
        var ordered: Set<ReplicaID> = []
        var online = replicas.values.filter { $0.desired == .rung(.online) && liveness($0.host) != .lost }.count
        let onlineBefore = online
        var adopted = 0
        for action in actions {
            switch action {
            case .order(let id, let desired):
                if !ordered.insert(id).inserted { problems.append("two orders for \(id)") }
                guard let order = replicas[id] else {
                    problems.append("order for unknown \(id)")
                    continue
                }
                if order.desired == desired { problems.append("order for \(id) changes nothing") }
                if order.desired == .removed { problems.append("\(id) is brought back from removal") }
                if liveness(order.host) != .alive && !record.deleting { problems.append("order for \(id) on a silent host") }
                if desired == .rung(.online) { online += 1 }
                if desired == .rung(.online), running[id]?.observed.wokenLocally == true { adopted += 1 }
                if order.desired == .rung(.online) { online -= 1 }
            case .create(_, let revision, let host, let desired):
                if liveness(host) != .alive { problems.append("create on \(host), which is not alive") }
                if hosts[host]?.cordoned == true || hosts[host]?.draining == true { problems.append("create on closed \(host)") }
                if revisions[revision] == nil { problems.append("create of unknown revision \(revision)") }
                if desired == .rung(.online) { online += 1 }
            case .forget(let id):
                if !ordered.insert(id).inserted { problems.append("order and forget for \(id)") }
            case .rollout, .stable, .removeService, .event: break
            }
        }
        checkBounds(online: online - adopted, onlineBefore)
        checkFloor(actions, before)
        checkRoom(actions, before)
    }

    /// No order but the adoption of what a host woke by itself takes a host's reservation beyond what the host has.
    private mutating func checkRoom(_ actions: [FleetAction], _ before: ServiceView) {
        let was = hostViews
        var will = was
        HostView.reserve(for: actions, of: before, in: &will)
        for (was, will) in zip(was, will) where will.reservedCPU > was.reservedCPU && will.reservedCPU > was.record.cpu {
            problems.append("\(will.reservedCPU) of \(was.record.cpu) cpu reserved on \(was.record.name)")
        }
    }

    private mutating func checkBounds(online: Int, _ onlineBefore: Int) {
        guard let policy = revisions[record.revision]?.spec.rollout, !record.deleting else { return }
        let bound = max(record.desiredOnline, 1) + max(policy.maxSurge, policy.maxUnavailable == 0 ? 1 : 0)
        if online > max(bound, onlineBefore) { problems.append("\(online) online, bound \(bound)") }
    }

    /// During a rollout, old online plus new ready for the bake time stays at the wanted count less `maxUnavailable`, unless it was
    /// lower before.
    private mutating func checkFloor(_ actions: [FleetAction], _ before: ServiceView) {
        guard let rollout, rollout.phase == .progressing, !record.deleting, let policy = revisions[rollout.to]?.spec.rollout
        else { return }
        func serving(without gone: Set<ReplicaID>) -> Int {
            replicas.values.count { order in
                guard !gone.contains(order.id), order.desired != .removed, liveness(order.host) != .lost else { return false }
                if order.revision != rollout.to {
                    return order.desired == .rung(.online) || running[order.id]?.observed.wokenLocally == true
                }
                guard isReady(order.id), let since = readySince[order.id] else { return false }
                return since + policy.bake <= now
            }
        }
        var gone: Set<ReplicaID> = []
        for case .order(let id, let desired) in actions where desired != .rung(.online) { gone.insert(id) }
        for case .forget(let id) in actions { gone.insert(id) }
        let least = record.desiredOnline - policy.maxUnavailable
        let (was, will) = (serving(without: []), serving(without: gone))
        if will < least && will < was {
            problems.append("serving falls from \(was) to \(will), least \(least)")
            problems += replicas.keys.sorted().map(describe)
        }
    }
}
