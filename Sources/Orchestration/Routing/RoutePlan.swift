package import SidekickModel

/// How every host's gateway shall treat a service.
package enum RoutePlan {
    /// The route as the service stands now: ingress and holding as the serving revision says, bounds as the newest does, so that a new
    /// revision's ingress counts once the revision has proved itself. nil while the serving revision is not known.
    ///
    /// A service being deleted keeps a route without ingress until its replicas are gone: new requests find no service, open ones finish.
    package static func route(of service: ServiceView, generation: Int64) -> ServiceRoute? {
        let record = service.record
        guard
            let serving = service.revisions[ApplyPlan.servingRevision(of: service)] ?? service.revisions[record.revision],
            let newest = service.revisions[record.revision]
        else { return nil }
        let scale = serving.spec.scale
        return ServiceRoute(
            service: record.name, generation: generation, ingress: record.deleting ? [] : serving.spec.ingress,
            concurrency: scale.concurrency, holdDeadline: scale.holdDeadline, holdLimit: record.deleting ? 0 : scale.holdLimit,
            maxOnline: record.deleting ? 0 : record.manualOnline ?? newest.spec.replicas.max,
            revision: record.stableRevision ?? record.revision, shares: shares(service.rollout))
    }

    /// While canary steps last the new revision gets its step's share; when they failed, none as long as the old one can serve.
    private static func shares(_ rollout: RolloutRecord?) -> [RevisionShare]? {
        guard let rollout, let canary = rollout.canary, rollout.from != nil else { return nil }
        switch rollout.phase {
        case .progressing, .paused: return [RevisionShare(revision: rollout.to, percent: canary.percent)]
        case .rollingBack: return [RevisionShare(revision: rollout.to, percent: 0)]
        case .succeeded, .rolledBack, .superseded: return nil
        }
    }
}
