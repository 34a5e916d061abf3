package import SidekickModel

/// What applying a spec comes to: the service's new record, its new revision, and how its replicas get there.
///
/// Every change of a spec is a revision. One that changes what a replica *is* starts a rollout. One that changes only how replicas
/// are treated replaces nothing: the replicas belong to the new revision from then on, and a rollout that is over already records it.
package struct ApplyPlan: Hashable, Sendable {
    package enum Outcome: String, Hashable, Sendable { case created, updated, unchanged }

    package var outcome: Outcome
    package var changes: [SpecChange]
    /// As it shall be; the store raises its resource version.
    package var record: ServiceRecord
    /// nil when nothing changes.
    package var revision: Revision?
    /// To be recorded as the newest, with an id from the store; nil when nothing changes.
    package var rollout: RolloutRecord?
    /// Revisions whose replicas belong to `revision` from now on.
    package var retagged: [Int] = []
    package var event: FleetEvent?

    /// - Parameters:
    ///   - current: the service as it is, nil when there is none. All its revisions that may be asked for must be in the view.
    ///   - cause: goes into the revision, such as `apply`.
    ///   - restart: replaces replicas even when they need not be.
    package static func make(
        applying spec: ServiceSpec, imageDigest: String, to current: ServiceView?, cause: String, restart: Bool = false,
        now: Instant
    ) -> ApplyPlan {
        guard let current else { return creating(spec, imageDigest: imageDigest, cause: cause, now: now) }
        var plan = ApplyPlan(outcome: .updated, changes: [], record: current.record)
        let newest = current.revisions[current.record.revision]
        if let newest {
            plan.changes = spec.changes(from: newest.spec)
            if newest.imageDigest != imageDigest {
                plan.changes.append(SpecChange(key: "image (content)", before: newest.imageDigest, after: imageDigest))
            }
        }
        if plan.changes.isEmpty, newest != nil, !restart {
            plan.outcome = .unchanged
            return plan
        }
        let next = Revision(
            service: spec.service, number: current.record.revision + 1, spec: spec, imageDigest: imageDigest, createdAt: now,
            cause: cause)
        plan.revision = next
        plan.record.revision = next.number
        plan.clampCounts(to: spec)
        plan.planRollout(to: next, current, restart: restart, now: now)
        plan.event = FleetEvent(
            at: now, kind: .serviceApplied, service: spec.service,
            message: "revision \(next.number) (\(cause)): \(plan.rollout?.reason ?? "")")
        return plan
    }

    private static func creating(_ spec: ServiceSpec, imageDigest: String, cause: String, now: Instant) -> ApplyPlan {
        var plan = ApplyPlan(
            outcome: .created, changes: spec.listing().map { SpecChange(key: $0.key, before: nil, after: $0.value) },
            record: ServiceRecord(name: spec.service, revision: 1, createdAt: now))
        plan.record.desiredOnline = spec.replicas.min
        if case .count(let count) = spec.replicas.standby {
            plan.record.desiredStandby = count
        } else {
            plan.record.desiredStandby = 1
        }
        plan.revision = Revision(
            service: spec.service, number: 1, spec: spec, imageDigest: imageDigest, createdAt: now, cause: cause)
        plan.rollout = RolloutRecord(
            id: 0, service: spec.service, from: nil, to: 1, startedAt: now, reason: "starting the first revision")
        plan.event = FleetEvent(
            at: now, kind: .serviceApplied, service: spec.service, message: "created with image \(spec.image)")
        return plan
    }

    private mutating func planRollout(to next: Revision, _ current: ServiceView, restart: Bool, now: Instant) {
        func fits(_ number: Int?) -> Bool {
            guard !restart, let number, let other = current.revisions[number] else { return false }
            return other.imageDigest == next.imageDigest && !next.spec.needsReplacement(of: other.spec)
        }
        let serving = Self.servingRevision(of: current)
        if let running = current.rollout, !running.phase.isFinished {
            retagged = [running.to, running.from].compactMap { $0 }.filter(fits)
            var record = RolloutRecord(
                id: 0, service: next.service, from: running.from, to: next.number, startedAt: now,
                reason: "replacing the rollout to revision \(running.to), which was not over")
            if running.from != nil { record.canary = Self.firstStep(of: next) }
            rollout = record
            return
        }
        var record = RolloutRecord(
            id: 0, service: next.service, from: serving, to: next.number, startedAt: now,
            reason: restart ? "restarting every replica" : "replacing revision \(serving) by revision \(next.number)")
        record.canary = Self.firstStep(of: next)
        if fits(serving) {
            record.canary = nil
            retagged = [serving]
            record.phase = .succeeded
            record.finishedAt = now
            record.reason = "nothing that runs had to be replaced"
            if self.record.stableRevision == serving { self.record.stableRevision = next.number }
        }
        rollout = record
    }

    private static func firstStep(of revision: Revision) -> RolloutRecord.Canary? {
        revision.spec.rollout.canary?.isEmpty == false ? RolloutRecord.Canary(step: 0, percent: 0) : nil
    }

    private mutating func clampCounts(to spec: ServiceSpec) {
        if let manual = record.manualOnline { record.manualOnline = min(manual, spec.replicas.max) }
        record.desiredOnline = record.manualOnline ?? min(max(record.desiredOnline, spec.replicas.min), spec.replicas.max)
        if case .count(let count) = spec.replicas.standby { record.desiredStandby = count }
    }

    /// The revision that serves while no rollout runs: what the last one led to, or came back to.
    package static func servingRevision(of service: ServiceView) -> Int {
        let stable = service.record.stableRevision ?? service.record.revision
        guard let rollout = service.rollout else { return stable }
        return switch rollout.phase {
        case .succeeded: rollout.to
        case .rolledBack, .rollingBack: rollout.from ?? rollout.to
        case .progressing, .paused, .superseded: stable
        }
    }
}
