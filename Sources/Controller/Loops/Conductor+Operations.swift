import ControlAPI
import ControllerStore
import Orchestration
import SidekickModel

/// A spec that is valid and whose image is known.
struct ResolvedSpec: Sendable {
    var spec: ServiceSpec
    var imageDigest: String
}

/// What operators ask for; each is one command of the loop.
extension Conductor {
    /// All of them or none.
    func apply(_ specs: [ResolvedSpec], dryRun: Bool, expecting: Int64?) async throws(APIFailure) -> [ApplyResult] {
        let now = clock.now()
        var results: [ApplyResult] = []
        var writes: [FleetWrite] = []
        for resolved in specs {
            let name = resolved.spec.service
            let view = book.view(of: name)
            try checkChangeable(view, name, expecting: expecting)
            let plan = ApplyPlan.make(
                applying: resolved.spec, imageDigest: resolved.imageDigest, to: view, cause: "apply", now: now)
            writes += Self.writes(of: plan, expecting: expecting)
            results.append(
                ApplyResult(
                    service: name, outcome: ApplyResult.Outcome(plan.outcome), revision: plan.record.revision,
                    resourceVersion: plan.record.resourceVersion, rollout: nil,
                    changes: plan.changes.map { ApplyResult.Change(key: $0.key, before: $0.before, after: $0.after) }))
        }
        if dryRun { return results }
        try await commit(for: "apply", writes)
        for index in results.indices {
            let name = results[index].service
            touch(name)
            guard let service = book.services[name] else { continue }
            results[index].resourceVersion = service.record.resourceVersion
            if let rollout = service.rollout, !rollout.phase.isFinished { results[index].rollout = rollout.id }
        }
        return results
    }

    func scale(_ name: String, to online: Int?) async throws(APIFailure) -> ServiceStatus {
        guard let service = book.services[name] else { throw Self.noService(name) }
        try checkChangeable(book.view(of: name), name, expecting: nil)
        let policy = try revision(nil, of: name).spec.replicas
        var record = service.record
        record.manualOnline = online
        if let online {
            guard (0...policy.max).contains(online) else {
                throw APIFailure(
                    .invalid, "cannot scale \(name) to \(online): its spec allows 0 to \(policy.max); raise replicas.max first")
            }
            record.desiredOnline = online
        } else {
            record.desiredOnline = min(max(record.desiredOnline, policy.min), policy.max)
        }
        let message = online.map { "\($0) online replicas until changed" } ?? "back to automatic"
        try await commit(
            for: "scale \(name)",
            [
                .service(record, expecting: nil),
                .action(.event(FleetEvent(at: clock.now(), kind: .scaled, service: name, message: message))),
            ])
        touch(name)
        return try requireStatus(of: name)
    }

    /// - Parameter volumes: its named volumes go too, once no replica is left.
    func delete(_ name: String, volumes: Bool) async throws(APIFailure) -> ServiceStatus {
        guard let service = book.services[name] else { throw Self.noService(name) }
        // Not durable on purpose: a controller that starts anew in between keeps what could be missed.
        if volumes { losingVolumes.insert(name) }
        let status = try requireStatus(of: name)
        if service.record.deleting { return status }
        var record = service.record
        record.deleting = true
        record.desiredOnline = 0
        record.desiredStandby = 0
        record.manualOnline = nil
        do throws(APIFailure) {
            try await commit(
                for: "delete \(name)",
                [
                    .service(record, expecting: nil),
                    .action(
                        .event(
                            FleetEvent(
                                at: clock.now(), kind: .serviceDeleted, service: name,
                                message: "deleted by an operator; \(service.replicas.count) replicas go"
                                    + (volumes ? ", then its named volumes" : "")))),
                ])
        } catch {
            // Nothing is being deleted, and the next who asks may want them kept.
            losingVolumes.remove(name)
            throw error
        }
        touch(name)
        return try requireStatus(of: name)
    }

    /// Starts a rollout of a spec that differs only in its image, or one that restarts everything.
    func startRollout(_ name: String, _ resolved: ResolvedSpec, restart: Bool) async throws(APIFailure) -> RolloutRecord {
        let cause = restart ? "restart" : "image \(resolved.spec.image)"
        return try await reapply(name, resolved, cause: cause, restart: restart)
    }

    func steerRollout(_ name: String, _ action: RolloutRequest.Action, revision: Int?) async throws(APIFailure) -> RolloutRecord {
        guard let view = book.view(of: name) else { throw Self.noService(name) }
        try checkChangeable(view, name, expecting: nil)
        let now = clock.now()
        let steering =
            switch action {
            case .pause: RolloutSteering.pause(view, now: now)
            case .resume: RolloutSteering.resume(view, now: now)
            case .undo, .start: RolloutSteering.undo(view, to: revision, now: now)
            }
        switch steering {
        case .refused(let why): throw APIFailure(.conflict, why)
        case .reapply(let earlier, let cause):
            let resolved = ResolvedSpec(spec: earlier.spec, imageDigest: earlier.imageDigest)
            return try await reapply(name, resolved, cause: cause, restart: false)
        case .change(let rollout, let event):
            if action == .resume { book.forgiveFailures(of: name) }
            try await commit(for: "rollout of \(name)", [.action(.rollout(rollout)), .action(.event(event))])
            touch(name)
            return rollout
        }
    }

    private func reapply(
        _ name: String, _ resolved: ResolvedSpec, cause: String, restart: Bool
    ) async throws(APIFailure) -> RolloutRecord {
        let view = book.view(of: name)
        try checkChangeable(view, name, expecting: nil)
        let plan = ApplyPlan.make(
            applying: resolved.spec, imageDigest: resolved.imageDigest, to: view, cause: cause, restart: restart, now: clock.now()
        )
        guard plan.outcome != .unchanged else {
            throw APIFailure(.conflict, "service \(name) has that image already; ‘rollout start’ without an image restarts it")
        }
        try await commit(for: "rollout of \(name)", Self.writes(of: plan, expecting: nil))
        touch(name)
        guard let rollout = book.services[name]?.rollout else {
            throw APIFailure(.internalFailure, "the rollout of \(name) was not recorded")
        }
        return rollout
    }

    private func checkChangeable(_ view: ServiceView?, _ name: String, expecting: Int64?) throws(APIFailure) {
        if view?.record.deleting == true {
            throw APIFailure(.conflict, "service \(name) is being deleted; wait until it is gone, then apply it again")
        }
        let version = view?.record.resourceVersion ?? 0
        guard let expecting, expecting != version else { return }
        throw APIFailure(
            .conflict,
            version == 0
                ? "service \(name) does not exist, so it is not at version \(expecting)"
                : "service \(name) is at version \(version), not \(expecting): somebody changed it; read it again, then repeat")
    }

    private static func writes(of plan: ApplyPlan, expecting: Int64?) -> [FleetWrite] {
        guard plan.outcome != .unchanged else { return [] }
        var writes: [FleetWrite] = [.service(plan.record, expecting: expecting)]
        if let revision = plan.revision {
            writes.append(.revision(revision))
            if !plan.retagged.isEmpty {
                writes.append(.retag(service: revision.service, from: plan.retagged, to: revision.number))
            }
        }
        if let rollout = plan.rollout {
            writes.append(.startRollout(rollout))
            let kind: FleetEvent.Kind = rollout.phase.isFinished ? .rolloutSucceeded : .rolloutStarted
            writes.append(
                .action(
                    .event(
                        FleetEvent(
                            at: rollout.startedAt, kind: kind, service: rollout.service,
                            message: "to revision \(rollout.to): \(rollout.reason)"))))
        }
        if let event = plan.event { writes.append(.action(.event(event))) }
        return writes
    }
}

extension ApplyResult.Outcome {
    fileprivate init(_ outcome: ApplyPlan.Outcome) {
        self =
            switch outcome {
            case .created: .created
            case .updated: .updated
            case .unchanged: .unchanged
            }
    }
}
