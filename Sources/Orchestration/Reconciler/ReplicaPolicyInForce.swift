import SidekickModel

/// What holds for a service's replicas at this moment of its rollout: which revision new replicas get, which revisions stay,
/// and within which bounds replicas are exchanged.
struct ReplicaPolicyInForce {
    /// The revision new replicas get, and the one everything moves to unless paused.
    var target: Int
    /// While `target` has not proved itself, load is served by this one.
    var fallback: Int?
    /// Whether replicas of every revision may stay.
    var keepsAll = false
    /// Whether `target` must first show a replica that stayed ready for `bake`.
    var wantsProof = false
    /// Whether leaving replicas that are not ready go without further condition.
    var distrustsLeavers = false
    /// While canary steps last, how many replicas of `target` there are to be; the others stay.
    var canaries: Int?
    var bake = Milliseconds(0)
    var surge: Int
    var unavailable: Int
    var online: Int
    var standby: Int

    init(service: ServiceView, rollout: RolloutRecord?) {
        let record = service.record
        let stable = record.stableRevision ?? record.revision
        switch rollout?.phase {
        case .progressing:
            target = rollout?.to ?? stable
            fallback = rollout?.from.flatMap { service.revisions[$0] == nil ? nil : $0 }
            wantsProof = true
        case .paused:
            target = rollout?.from ?? rollout?.to ?? stable
            keepsAll = true
        case .rollingBack, .rolledBack:
            target = rollout?.from ?? rollout?.to ?? stable
            distrustsLeavers = true
        case .succeeded:
            target = rollout?.to ?? stable
        case .superseded, nil:
            target = stable
        }
        let spec = service.revisions[target]?.spec
        let rules = spec?.rollout ?? RolloutPolicy()
        if wantsProof { bake = rules.bake }
        unavailable = rules.maxUnavailable
        surge = max(rules.maxSurge, unavailable == 0 ? 1 : 0)
        let limits = service.revisions[record.revision]?.spec.replicas ?? spec?.replicas ?? ReplicaPolicy()
        online = min(max(record.desiredOnline, 0), limits.max)
        standby = max(record.desiredStandby, 0)
        if let rollout, rollout.phase == .progressing, let canary = rollout.canary, fallback != nil {
            canaries = CanarySteps(rollout, rules)?.wanted(canary, online: online)
        }
    }
}
