import ControlAPI
import Controller
import SidekickModel
import Testing

@Suite struct RolloutTests {
    /// A fixture whose service `web` runs revision 1 on one host.
    private func settled(_ body: (Fixture, FakeAgent) async throws -> Void) async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec())
            try await over(fixture, .succeeded)
            try await body(fixture, agent)
        }
    }

    private func over(_ fixture: Fixture, _ phase: RolloutRecord.Phase) async throws {
        try await eventually("the rollout is \(phase)") { try await fixture.client.service("web").rollout?.phase == phase }
    }

    @Test func `a new image replaces every replica and becomes the stable revision`() async throws {
        try await settled { fixture, agent in
            let old = Set(agent.now.online.map(\.replica))
            let result = try await fixture.apply(webSpec("web:2"))
            #expect(result.outcome == .updated)
            #expect(result.rollout != nil)
            try await over(fixture, .succeeded)
            try await eventually("only revision 2 serves") { agent.now.online.map(\.revision) == [2, 2] }
            #expect(agent.now.forgotten.isSuperset(of: old))
            #expect(try await fixture.client.service("web").record.stableRevision == 2)
            try await eventually("wakes prefer it") { agent.now.routes["web"]?.revision == 2 }
        }
    }

    @Test func `a broken revision is rolled back by itself, and the old replicas serve throughout`() async throws {
        try await settled { fixture, agent in
            let old = agent.now.online.map(\.replica)
            _ = try await fixture.apply(webSpec("web:2", env: ["BROKEN": "1"]))
            try await over(fixture, .rolledBack)
            #expect(agent.now.online.map(\.replica) == old)
            let rollout = try #require(try await fixture.client.service("web").rollout)
            #expect(rollout.reason.contains("exited with code 1"), "\(rollout.reason)")
            #expect(!agent.now.orders.contains { old.contains($0.replica) && $0.desired != .rung(.online) })
            let corrected = try await fixture.apply(webSpec("web:3"))
            #expect(corrected.revision == 3)
            try await over(fixture, .succeeded)
            #expect(try await fixture.client.rollouts("web").map(\.phase) == [.succeeded, .rolledBack, .succeeded])
        }
    }

    @Test func `undo applies the revision before again, and the history keeps all`() async throws {
        try await settled { fixture, agent in
            _ = try await fixture.apply(webSpec("web:2"))
            try await over(fixture, .succeeded)
            let undo = try await fixture.client.rollout("web", RolloutRequest(action: .undo))
            #expect(undo.from == 2)
            #expect(undo.to == 3)
            try await over(fixture, .succeeded)
            try await eventually("web:1 serves") {
                agent.now.online.count == 2
                    && agent.now.online.allSatisfy { agent.now.assignments[$0.replica]?.spec.image == "web:1" }
            }
            let revisions = try await fixture.client.revisions("web")
            #expect(revisions.map(\.number) == [3, 2, 1])
            #expect(revisions[0].cause == "undo to 1")
            await #expect {
                try await fixture.client.rollout("web", RolloutRequest(action: .undo, revision: 77))
            } throws: {
                ($0 as? APIFailure)?.message.contains("no revision 77") == true
            }
        }
    }

    @Test func `a rollout pauses, resumes and turns back on an operator's word`() async throws {
        try await settled { fixture, agent in
            _ = try await fixture.apply(webSpec("web:2", env: ["SILENT": "1"]))
            #expect(try await fixture.client.rollout("web", RolloutRequest(action: .pause)).phase == .paused)
            await #expect(throws: APIFailure.self) {
                try await fixture.client.rollout("web", RolloutRequest(action: .pause))
            }
            #expect(try await fixture.client.rollout("web", RolloutRequest(action: .resume)).phase == .progressing)
            #expect(try await fixture.client.rollout("web", RolloutRequest(action: .undo)).phase == .rollingBack)
            #expect(agent.now.online.count == 2)
        }
    }

    @Test func `a change of policy alone replaces nothing: the same replicas belong to the new revision`() async throws {
        try await settled { fixture, agent in
            let before = agent.now.online
            var spec = webSpec()
            spec.stop.grace = .seconds(3)
            spec.replicas.max = 7
            let result = try await fixture.apply(spec)
            #expect(result.outcome == .updated)
            #expect(result.revision == 2)
            #expect(result.rollout == nil)
            try await eventually("both belong to revision 2") { agent.now.online.map(\.revision) == [2, 2] }
            #expect(agent.now.online.map(\.replica) == before.map(\.replica))
            #expect(agent.now.online.map(\.starts) == before.map(\.starts))
            #expect(agent.now.assignments.values.allSatisfy { $0.spec.stop.grace == .seconds(3) })
            try await eventually("the bound is in force") { agent.now.routes["web"]?.maxOnline == 7 }
            #expect(try await fixture.client.service("web").record.stableRevision == 2)
        }
    }

    @Test func `a restart replaces every replica of an unchanged spec`() async throws {
        try await settled { fixture, agent in
            let old = Set(agent.now.online.map(\.replica))
            #expect(try await fixture.client.rollout("web", RolloutRequest(action: .start)).to == 2)
            try await over(fixture, .succeeded)
            #expect(old.isDisjoint(with: agent.now.online.map(\.replica)))
        }
    }

    @Test func `a rollout without room for its surge tells the operator, once, and leaves what serves alone`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            var spec = webSpec(online: 1)
            spec.resources.cpu = MilliCPU(40_000)
            spec.replicas.standby = .count(1)
            _ = try await fixture.apply(spec)
            try await over(fixture, .succeeded)
            try await eventually("a standby fits beside it") { agent.now.observed.values.contains { $0.rung == .prepared } }
            let old = agent.now.online.map(\.replica)
            spec.image = "web:2"
            _ = try await fixture.apply(spec)
            let sentence = "waiting for room: web needs 40 cpu, host-a has 24 of 64 cpu free"
            try await eventually("it says what it waits for") {
                try await fixture.client.service("web").rollout?.reason.hasSuffix(sentence) == true
            }
            // Many rounds, since every tick looks at an unfinished rollout.
            let heartbeats = agent.now.heartbeats
            try await eventually("some rounds have passed") { agent.now.heartbeats > heartbeats + 2 }
            let events = try await fixture.client.events().filter { $0.kind == .noRoom }
            #expect(events.map(\.message) == [sentence])
            #expect(events.map(\.host) == ["host-a"])
            #expect(agent.now.online.map(\.replica) == old)
        }
    }
}
