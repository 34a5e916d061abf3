package import SidekickModel

/// What an operator's wish about a rollout comes to.
package enum RolloutSteering: Hashable, Sendable {
    /// The newest rollout goes on in this state.
    case change(RolloutRecord, event: FleetEvent)
    /// The spec of this earlier revision is applied again.
    case reapply(Revision, cause: String)
    /// It cannot be done: why, and what can.
    case refused(String)

    package static func pause(_ service: ServiceView, now: Instant) -> RolloutSteering {
        guard var rollout = service.rollout, rollout.phase == .progressing else {
            return .refused("service \(service.record.name) has no rollout in progress to pause: \(state(of: service))")
        }
        rollout.phase = .paused
        rollout.reason = "paused by an operator"
        return .change(rollout, event: event(.rolloutPaused, rollout, now))
    }

    /// Failed starts of before are forgiven: the caller forgets those it has counted.
    package static func resume(_ service: ServiceView, now: Instant) -> RolloutSteering {
        guard var rollout = service.rollout, rollout.phase == .paused else {
            return .refused("service \(service.record.name) has no paused rollout to resume: \(state(of: service))")
        }
        rollout.phase = .progressing
        rollout.reason = "resumed by an operator"
        rollout.progressedAt = now
        rollout.failedStarts = 0
        // What was seen of a step before the pause says nothing of now.
        rollout.canary?.since = nil
        return .change(rollout, event: event(.rolloutResumed, rollout, now))
    }

    /// A rollout that is not over turns back; otherwise an earlier revision is applied again.
    /// - Parameter revision: the one to return to; nil for the one before what serves now.
    package static func undo(_ service: ServiceView, to revision: Int?, now: Instant) -> RolloutSteering {
        if var rollout = service.rollout, !rollout.phase.isFinished, revision == nil || revision == rollout.from {
            guard let from = rollout.from else {
                return .refused(
                    "service \(service.record.name) has no earlier revision to return to: apply a corrected spec, or delete it")
            }
            rollout.phase = .rollingBack
            rollout.reason = "undone by an operator; returning to revision \(from)"
            return .change(rollout, event: event(.rolloutRollingBack, rollout, now))
        }
        let serving = ApplyPlan.servingRevision(of: service)
        guard let number = revision ?? before(serving, service) else {
            return .refused("service \(service.record.name) has no revision before \(serving) that runs something else")
        }
        guard let target = service.revisions[number] else {
            let known = service.revisions.keys.sorted().map { "\($0)" }.joined(separator: ", ")
            return .refused("service \(service.record.name) has no revision \(number); it has \(known)")
        }
        guard number != serving else { return .refused("revision \(number) of service \(service.record.name) serves already") }
        return .reapply(target, cause: "undo to \(number)")
    }

    /// The newest revision below `serving` that runs something else.
    private static func before(_ serving: Int, _ service: ServiceView) -> Int? {
        let current = service.revisions[serving]
        return service.revisions.values.filter { earlier in
            guard let current, earlier.number < serving else { return false }
            return earlier.imageDigest != current.imageDigest || current.spec.needsReplacement(of: earlier.spec)
        }.map(\.number).max()
    }

    private static func state(of service: ServiceView) -> String {
        service.rollout.map { "the newest one, to revision \($0.to), is \($0.phase.rawValue)" } ?? "there was none yet"
    }

    private static func event(_ kind: FleetEvent.Kind, _ rollout: RolloutRecord, _ now: Instant) -> FleetEvent {
        FleetEvent(
            at: now, kind: kind, service: rollout.service, message: "rollout to revision \(rollout.to): \(rollout.reason)")
    }
}
