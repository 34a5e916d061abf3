import Orchestration
import SidekickModel
import Testing

@Suite struct ApplyPlanTests {
    private let now = Instant(nanoseconds: 1_000_000_000_000)

    private func spec(_ image: String = "web:1") -> ServiceSpec {
        var spec = ServiceSpec(service: "web", image: image)
        spec.ports = ["http": 8080]
        return spec
    }

    /// The service after revisions `specs`, the newest rollout being `rollout`.
    private func service(_ specs: [ServiceSpec], stable: Int?, rollout: RolloutRecord?) -> ServiceView {
        var record = ServiceRecord(name: "web", revision: specs.count, createdAt: now)
        record.stableRevision = stable
        var revisions: [Int: Revision] = [:]
        for (index, spec) in specs.enumerated() {
            revisions[index + 1] = Revision(
                service: "web", number: index + 1, spec: spec, imageDigest: "sha256:\(spec.image)", createdAt: now, cause: "apply"
            )
        }
        return ServiceView(record: record, revisions: revisions, rollout: rollout, replicas: [])
    }

    private func rollout(_ from: Int?, _ to: Int, _ phase: RolloutRecord.Phase) -> RolloutRecord {
        var record = RolloutRecord(id: 7, service: "web", from: from, to: to, startedAt: now, reason: "")
        record.phase = phase
        return record
    }

    private func plan(_ spec: ServiceSpec, _ service: ServiceView?, restart: Bool = false) -> ApplyPlan {
        ApplyPlan.make(
            applying: spec, imageDigest: "sha256:\(spec.image)", to: service, cause: "apply", restart: restart, now: now)
    }

    @Test func `a first spec starts at its minimum with a rollout from nothing`() {
        var first = spec()
        first.replicas.min = 3
        first.replicas.standby = .count(2)
        let plan = plan(first, nil)
        #expect(plan.outcome == .created)
        #expect(plan.record.desiredOnline == 3)
        #expect(plan.record.desiredStandby == 2)
        #expect(plan.revision?.number == 1)
        #expect(plan.rollout?.from == nil)
        #expect(plan.rollout?.phase == .progressing)
    }

    @Test func `each key of a spec that changes is listed, and only it`() {
        let changes: [(key: String, change: (inout ServiceSpec) -> Void)] = [
            ("image", { $0.image = "web:2" }), ("command", { $0.command = ["a"] }), ("ports.admin", { $0.ports["admin"] = 1 }),
            ("ingress[0]", { $0.ingress = [IngressRule(host: "a")] }), ("env.A", { $0.env["A"] = "1" }),
            ("resources.cpu", { $0.resources.cpu = MilliCPU(500) }),
            ("resources.memory", { $0.resources.memory = .mebibytes(9) }),
            ("resources.pids", { $0.resources.pids = 9 }), ("replicas.min", { $0.replicas.min = 1 }),
            ("replicas.max", { $0.replicas.max = 11 }), ("replicas.standby", { $0.replicas.standby = .count(1) }),
            ("replicas.rung", { $0.replicas.rung = .frozen }), ("scale.concurrency", { $0.scale.concurrency = 2 }),
            ("scale.wait", { $0.scale.wait = Milliseconds(1) }),
            ("scale.holdDeadline", { $0.scale.holdDeadline = Milliseconds(1) }),
            ("scale.holdLimit", { $0.scale.holdLimit = 1 }), ("scale.idle", { $0.scale.idle = Milliseconds(1) }),
            ("health.startTimeout", { $0.health.startTimeout = Milliseconds(1) }),
            ("rollout.maxSurge", { $0.rollout.maxSurge = 2 }), ("rollout.maxUnavailable", { $0.rollout.maxUnavailable = 1 }),
            ("rollout.bake", { $0.rollout.bake = Milliseconds(1) }),
            ("rollout.deadline", { $0.rollout.deadline = Milliseconds(1) }),
            ("rollout.failures", { $0.rollout.failures = 9 }), ("rollout.onFailure", { $0.rollout.onFailure = .pause }),
            ("stop.signal", { $0.stop.signal = "INT" }), ("stop.grace", { $0.stop.grace = Milliseconds(1) }),
            ("stop.drain", { $0.stop.drain = Milliseconds(1) }),
        ]
        for (key, change) in changes {
            var changed = spec()
            change(&changed)
            #expect(changed.changes(from: spec()).map(\.key) == [key])
            #expect(spec().changes(from: changed).map(\.key) == [key])
        }
        for section in ["startup", "ready", "live"] {
            var changed = spec()
            var probe = Probe()
            probe.http = "/"
            switch section {
            case "startup": changed.health.startup = probe
            case "ready": changed.health.ready = probe
            default: changed.health.live = probe
            }
            #expect(changed.changes(from: spec()).map(\.key).first == "health.\(section).http")
        }
    }

    @Test func `only what a replica is made of needs its replacement`() {
        let replacing: [(inout ServiceSpec) -> Void] = [
            { $0.image = "web:2" }, { $0.command = ["a"] }, { $0.ports["admin"] = 1 }, { $0.env["A"] = "1" },
            { $0.resources.pids = 9 }, { $0.volumes = [VolumeSpec()] }, { $0.health.startTimeout = Milliseconds(1) },
        ]
        let keeping: [(inout ServiceSpec) -> Void] = [
            { $0.replicas.max = 11 }, { $0.scale.concurrency = 2 }, { $0.rollout.bake = Milliseconds(1) },
            { $0.stop.grace = Milliseconds(1) }, { $0.ingress = [IngressRule(host: "a")] },
        ]
        let current = service([spec()], stable: 1, rollout: rollout(nil, 1, .succeeded))
        for (changes, needs) in [(replacing, true), (keeping, false)] {
            for change in changes {
                var changed = spec()
                change(&changed)
                let plan = plan(changed, current)
                #expect(plan.rollout?.phase == (needs ? .progressing : .succeeded))
                #expect(plan.retagged == (needs ? [] : [1]))
                #expect(plan.record.stableRevision == (needs ? 1 : 2))
                #expect(plan.record.revision == 2)
            }
        }
    }

    @Test func `the same spec is no change unless a restart is asked for`() {
        let current = service([spec()], stable: 1, rollout: rollout(nil, 1, .succeeded))
        #expect(plan(spec(), current).outcome == .unchanged)
        #expect(plan(spec(), current).revision == nil)
        let restart = plan(spec(), current, restart: true)
        #expect(restart.outcome == .updated)
        #expect(restart.rollout?.phase == .progressing)
        #expect(restart.retagged.isEmpty)
    }

    @Test func `a rollout that is not over is replaced by one from the same origin`() {
        let current = service([spec(), spec("web:2")], stable: 1, rollout: rollout(1, 2, .progressing))
        let third = plan(spec("web:3"), current)
        #expect(third.rollout?.from == 1)
        #expect(third.rollout?.to == 3)
        #expect(third.retagged.isEmpty)
        var policy = spec("web:2")
        policy.stop.grace = .seconds(1)
        let same = plan(policy, current)
        #expect(same.rollout?.phase == .progressing)
        #expect(same.retagged == [2])
        #expect(plan(spec(), current).retagged == [1])
    }

    @Test func `after a rollback the comparison is with what serves, not with what failed`() {
        let current = service([spec(), spec("web:2")], stable: 1, rollout: rollout(1, 2, .rolledBack))
        #expect(ApplyPlan.servingRevision(of: current) == 1)
        let back = plan(spec(), current)
        #expect(back.retagged == [1])
        #expect(back.rollout?.phase == .succeeded)
        #expect(back.record.stableRevision == 3)
    }

    @Test func `counts are brought within the new bounds at once`() {
        var current = service([spec()], stable: 1, rollout: rollout(nil, 1, .succeeded))
        current.record.desiredOnline = 8
        var narrow = spec()
        narrow.replicas.max = 4
        #expect(plan(narrow, current).record.desiredOnline == 4)
        current.record.manualOnline = 8
        #expect(plan(narrow, current).record.manualOnline == 4)
        var high = spec()
        high.replicas.min = 9
        current.record.manualOnline = nil
        #expect(plan(high, current).record.desiredOnline == 9)
    }

    @Test func `undo turns a running rollout back, or reapplies what ran before`() {
        let specs = [spec(), spec("web:2"), spec("web:2")]
        let running = service(specs, stable: 1, rollout: rollout(1, 3, .progressing))
        guard case .change(let turned, let event) = RolloutSteering.undo(running, to: nil, now: now) else {
            Issue.record("not turned back")
            return
        }
        #expect(turned.phase == .rollingBack)
        #expect(event.kind == .rolloutRollingBack)
        let done = service(specs, stable: 3, rollout: rollout(1, 3, .succeeded))
        guard case .reapply(let earlier, let cause) = RolloutSteering.undo(done, to: nil, now: now) else {
            Issue.record("nothing reapplied")
            return
        }
        #expect(earlier.number == 1)
        #expect(cause == "undo to 1")
        for (service, revision) in [
            (done, 3), (done, 9), (self.service([spec()], stable: 1, rollout: rollout(nil, 1, .succeeded)), nil),
            (self.service([spec()], stable: nil, rollout: rollout(nil, 1, .progressing)), nil),
        ] {
            guard case .refused = RolloutSteering.undo(service, to: revision, now: now) else {
                Issue.record("not refused: \(String(describing: revision))")
                continue
            }
        }
    }

    @Test func `a rollout is paused only in progress and resumed only when paused, its failures forgiven`() {
        for phase in RolloutRecord.Phase.allCases {
            var record = rollout(1, 2, phase)
            record.failedStarts = 5
            let view = service([spec(), spec("web:2")], stable: 1, rollout: record)
            if case .change(let paused, _) = RolloutSteering.pause(view, now: now) {
                #expect(phase == .progressing && paused.phase == .paused)
            } else {
                #expect(phase != .progressing)
            }
            if case .change(let resumed, _) = RolloutSteering.resume(view, now: now + .seconds(9)) {
                #expect(phase == .paused && resumed.phase == .progressing)
                #expect(resumed.failedStarts == 0)
                #expect(resumed.progressedAt == now + .seconds(9))
            } else {
                #expect(phase != .paused)
            }
        }
    }

    @Test func `a route follows what has proved itself, and a service being deleted takes no new request`() throws {
        var second = spec("web:2")
        second.ingress = [IngressRule(host: "new.example.com")]
        var first = spec()
        first.ingress = [IngressRule(host: "old.example.com")]
        var view = service([first, second], stable: 1, rollout: rollout(1, 2, .progressing))
        #expect(RoutePlan.route(of: view, generation: 1)?.ingress.map(\.host) == ["old.example.com"])
        #expect(RoutePlan.route(of: view, generation: 1)?.revision == 1)
        view.rollout?.phase = .succeeded
        #expect(RoutePlan.route(of: view, generation: 1)?.ingress.map(\.host) == ["new.example.com"])
        view.record.manualOnline = 3
        #expect(RoutePlan.route(of: view, generation: 1)?.maxOnline == 3)
        view.record.deleting = true
        let going = try #require(RoutePlan.route(of: view, generation: 1))
        #expect(going.ingress.isEmpty)
        #expect(going.maxOnline == 0)
        #expect(going.holdLimit == 0)
    }
}
