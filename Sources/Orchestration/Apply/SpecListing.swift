package import SidekickModel

/// One key of a spec whose value differs.
package struct SpecChange: Hashable, Sendable {
    /// Key path such as `replicas.max`.
    package var key: String
    /// nil when it was not set.
    package var before: String?
    /// nil when it is not set any more.
    package var after: String?

    package init(key: String, before: String?, after: String?) {
        self.key = key
        self.before = before
        self.after = after
    }
}

extension ServiceSpec {
    /// Every value that is set, by key path, in the order of the spec's keys.
    func listing() -> [(key: String, value: String)] {
        var rows: [(key: String, value: String)] = [("image", image)]
        if !command.isEmpty { rows.append(("command", command.description)) }
        for (name, port) in ports.sorted(by: { $0.key < $1.key }) { rows.append(("ports.\(name)", "\(port)")) }
        for (index, rule) in ingress.enumerated() { rows.append(("ingress[\(index)]", rule.host + rule.path)) }
        for (name, value) in env.sorted(by: { $0.key < $1.key }) { rows.append(("env.\(name)", value)) }
        if let cpu = resources.cpu { rows.append(("resources.cpu", "\(cpu)")) }
        if let memory = resources.memory { rows.append(("resources.memory", "\(memory)")) }
        rows.append(("resources.pids", "\(resources.pids)"))
        rows += replicas.listing() + scale.listing()
        rows += health.startup.map { $0.listing("health.startup") } ?? []
        rows += health.ready.map { $0.listing("health.ready") } ?? []
        rows += health.live.map { $0.listing("health.live") } ?? []
        rows.append(("health.startTimeout", "\(health.startTimeout)"))
        rows += rollout.listing()
        rows += [("stop.signal", stop.signal), ("stop.grace", "\(stop.grace)"), ("stop.drain", "\(stop.drain)")]
        for (index, volume) in (volumes ?? []).enumerated() { rows.append(("volumes[\(index)]", "\(volume)")) }
        return rows
    }

    /// What has to be changed in `before` to get `self`, in the order of the spec's keys.
    package func changes(from before: ServiceSpec) -> [SpecChange] {
        let old = Dictionary(uniqueKeysWithValues: before.listing().map { ($0.key, $0.value) })
        let new = listing()
        var changes: [SpecChange] = []
        for (key, value) in new where old[key] != value { changes.append(SpecChange(key: key, before: old[key], after: value)) }
        let kept = Set(new.map(\.key))
        for (key, value) in before.listing() where !kept.contains(key) {
            changes.append(SpecChange(key: key, before: value, after: nil))
        }
        return changes
    }

    /// Whether a replica started from `other` does not do as a replica of `self`, so that it has to be replaced. What only tells the
    /// controller, the gateway or the agent how to treat a replica (`replicas`, `scale`, `rollout`, `stop`, `ingress`) needs none.
    package func needsReplacement(of other: ServiceSpec) -> Bool {
        image != other.image || command != other.command || ports != other.ports || env != other.env
            || resources != other.resources || health != other.health
            || volumes ?? [] != other.volumes ?? []
    }
}

extension ReplicaPolicy {
    fileprivate func listing() -> [(key: String, value: String)] {
        let standbys =
            switch standby {
            case .auto: "auto"
            case .count(let count): "\(count)"
            }
        return [
            ("replicas.min", "\(min)"), ("replicas.max", "\(max)"), ("replicas.standby", standbys),
            ("replicas.rung", rung.rawValue),
        ]
    }
}

extension ScalePolicy {
    fileprivate func listing() -> [(key: String, value: String)] {
        [
            ("scale.concurrency", concurrency.map { "\($0)" } ?? "auto"), ("scale.wait", "\(wait)"),
            ("scale.holdDeadline", "\(holdDeadline)"), ("scale.holdLimit", "\(holdLimit)"), ("scale.idle", "\(idle)"),
        ]
    }
}

extension Probe {
    fileprivate func listing(_ path: String) -> [(key: String, value: String)] {
        var rows: [(key: String, value: String)] = []
        if let http { rows.append(("\(path).http", http)) }
        if let grpc { rows.append(("\(path).grpc", grpc)) }
        if let tcp { rows.append(("\(path).tcp", tcp)) }
        if let exec { rows.append(("\(path).exec", exec.description)) }
        return rows + [
            ("\(path).every", "\(every)"), ("\(path).timeout", "\(timeout)"), ("\(path).failures", "\(failures)"),
        ]
    }
}

extension RolloutPolicy {
    fileprivate func listing() -> [(key: String, value: String)] {
        let steps = (canary ?? []).map { "\($0)%" }.joined(separator: ", ")
        return (steps.isEmpty ? [] : [("rollout.canary", steps)]) + [
            ("rollout.maxSurge", "\(maxSurge)"), ("rollout.maxUnavailable", "\(maxUnavailable)"), ("rollout.bake", "\(bake)"),
            ("rollout.deadline", "\(deadline)"), ("rollout.failures", "\(failures)"), ("rollout.onFailure", onFailure.rawValue),
        ]
    }
}
