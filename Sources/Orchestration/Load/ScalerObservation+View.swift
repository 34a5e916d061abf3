package import SidekickModel

extension ScalerObservation {
    /// Counts a service's replicas as the autoscaler sees them. Those on lost hosts, those going and those that failed are nobody's capacity.
    /// - Parameter lost: names of the lost hosts.
    package init(load: LoadSample?, replicas: [ReplicaView], lost: Set<String>) {
        self.init(load: load, ready: 0, starting: 0, standby: 0, standbyStarting: 0)
        for view in replicas where !lost.contains(view.record.host) {
            guard case .rung(let rung) = view.record.desired, view.observed?.phase != .failed else { continue }
            let observed = view.observed
            if rung == .online || observed?.wokenLocally == true {
                if view.readySince != nil { ready += 1 } else { starting += 1 }
            } else if observed?.phase == .settled, let reached = observed?.rung, reached >= rung {
                standby += 1
            } else {
                standbyStarting += 1
            }
        }
    }
}
