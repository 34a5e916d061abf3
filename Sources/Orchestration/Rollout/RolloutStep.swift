import SidekickModel

/// One step of a rollout's own state: progress seen, failure found, end reached. Which replicas move meanwhile is `ReplicaPlan`'s
/// concern.
struct RolloutStep {
    private(set) var after: RolloutRecord
    private(set) var events: [FleetEvent] = []

    /// Takes in what the replicas of the new revision show.
    init(_ rollout: RolloutRecord, service: ServiceView, standings: [Standing], now: Instant) {
        after = rollout
        guard rollout.phase == .progressing else { return }
        let policy = service.revisions[rollout.to]?.spec.rollout ?? RolloutPolicy()
        let own = standings.filter { $0.revision == rollout.to }
        let proven = own.filter { !$0.isRemoving }.compactMap { $0.provenAt(bake: policy.bake, now: now) }.max()
        if let proven, proven > after.progressedAt { after.progressedAt = proven }
        after.failedStarts = max(after.failedStarts, own.reduce(0) { $0 + $1.view.failures })

        if after.failedStarts >= policy.failures {
            let cause = own.compactMap { $0.view.failures > 0 ? $0.view.observed?.failure : nil }.last
            let times = after.failedStarts == 1 ? "once" : "\(after.failedStarts) times"
            fail("revision \(rollout.to) failed to start \(times)" + (cause.map { ": \($0)" } ?? ""), policy, now)
            return
        }
        walk(own, policy, service, now)
        // While some host is silent, what happens there is not known: the deadline waits for it to speak or to be lost.
        guard !standings.contains(where: { $0.liveness != .alive }) else { return }
        // A step that holds waits for nothing but time.
        guard after.canary?.since == nil else { return }
        let since = max(after.progressedAt, service.watchedSince ?? after.progressedAt)
        if now > since + policy.deadline {
            let want = rollout.awaitedRoom.map { ", for want of room: \($0)" } ?? ""
            fail("no replica of revision \(rollout.to) became ready within \(policy.deadline)\(want)", policy, now)
        }
    }

    private mutating func walk(_ own: [Standing], _ policy: RolloutPolicy, _ service: ServiceView, _ now: Instant) {
        guard let before = after.canary else { return }
        guard let steps = CanarySteps(after, policy) else {
            after.canary = nil
            return
        }
        let ready = own.count { $0.isReady && !$0.isRemoving }
        let next = steps.next(before, ready: ready, online: service.record.desiredOnline, bake: policy.bake, now: now)
        guard next != before else { return }
        after.canary = next
        after.progressedAt = max(after.progressedAt, now)
        guard next?.step != before.step || next?.percent != before.percent else { return }
        if let next, next.percent != before.percent {
            after.reason = "canary: \(next.percent)% of the requests go to revision \(after.to)"
        } else if let next {
            after.reason = "canary: \(before.percent)% went well for \(policy.bake); preparing step \(next.step + 1)"
        } else {
            after.reason = "the canary steps went well; replacing the rest"
        }
        events.append(
            FleetEvent(
                at: now, kind: .rolloutCanary, service: after.service, message: "rollout to revision \(after.to): \(after.reason)"
            ))
    }

    private mutating func fail(_ reason: String, _ policy: RolloutPolicy, _ now: Instant) {
        if let from = after.from, policy.onFailure == .rollback {
            after.phase = .rollingBack
            after.reason = "\(reason); returning to revision \(from)"
        } else {
            after.phase = .paused
            after.reason =
                after.from == nil
                ? "\(reason); there is no earlier revision to return to: apply a corrected spec"
                : "\(reason); paused as onFailure says: resume or undo it"
        }
        events.append(
            FleetEvent(
                at: now, kind: after.phase == .rollingBack ? .rolloutRollingBack : .rolloutPaused, service: after.service,
                message: after.reason))
    }

    /// Whether one revision serves alone by now, and what follows from that.
    static func finish(
        _ rollout: RolloutRecord, plan: ReplicaPlan, now: Instant
    ) -> (after: RolloutRecord, actions: [FleetAction]) {
        guard plan.leavers.isEmpty, plan.newLeavers == 0, plan.leavingSpares.isEmpty else { return (rollout, []) }
        var after = rollout
        after.finishedAt = now
        switch rollout.phase {
        case .progressing:
            let online = plan.keepers.count
            let serving = plan.counted
            guard after.canary == nil, serving >= 1, serving == online || serving >= plan.policy.online else {
                return (rollout, [])
            }
            after.phase = .succeeded
            after.reason = "revision \(rollout.to) serves alone"
            let event = FleetEvent(
                at: now, kind: .rolloutSucceeded, service: rollout.service,
                message: "revision \(rollout.to) proved itself and serves alone")
            return (after, [.stable(service: rollout.service, revision: rollout.to), .event(event)])
        case .rollingBack:
            guard let from = rollout.from else { return (rollout, []) }
            after.phase = .rolledBack
            let event = FleetEvent(
                at: now, kind: .rolloutRolledBack, service: rollout.service,
                message: "revision \(from) serves alone again: \(rollout.reason)")
            return (after, [.event(event)])
        case .paused, .succeeded, .rolledBack, .superseded:
            return (rollout, [])
        }
    }
}
