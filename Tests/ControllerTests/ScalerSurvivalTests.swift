import ControlAPI
import Controller
import Glibc
import SidekickModel
import Testing

/// Kills a controller whose autoscaler is at work, under steady load.
@Suite(.serialized) struct ScalerSurvivalTests {
    /// What the counts were whenever they were looked at.
    private struct Counts: Hashable {
        var online: Int
        var standby: Int
    }

    @Test func `counts neither dip nor leap when the controller is killed and comes back under steady load`() async throws {
        let fixture = Fixture()
        defer { fixture.erase() }
        let agent = FakeAgent()
        var controller = try await ControllerProcess(fixture)
        try await agent.connect(port: controller.port)
        var spec = webSpec(online: 0)
        spec.replicas.max = 30
        spec.replicas.min = 0
        spec.replicas.standby = .auto
        // Declared: what is learnt would go on being learnt meanwhile.
        spec.scale.concurrency = 4
        _ = try await fixture.apply(spec)
        try await drive(agent, seconds: 6)
        let before = try await settled(fixture, agent)
        #expect(before.online > 2, "\(before)")
        let memory = try await fixture.client.decisions("web").last?.inputs

        controller.kill()
        try await eventually("the session ended") { agent.now.closed }
        controller = try await ControllerProcess(fixture)
        var seen: Set<Counts> = [try await counts(fixture)]
        // Some moments without any report, as while agents find their way back.
        for _ in 0..<10 {
            usleep(50_000)
            seen.insert(try await counts(fixture))
        }
        try await agent.connect(port: controller.port)
        for _ in 0..<40 {
            try await drive(agent, seconds: 0.1)
            seen.insert(try await counts(fixture))
        }
        controller.kill()
        print(
            "survival: \(before) before, \(seen) after, inputs \(memory.map { "\($0.map { "\($0.name) \($0.value)" })" } ?? "-")")
        for after in seen {
            #expect(after.online == before.online, "\(seen)")
            // The first rise is forgotten at some time, which may be now.
            #expect(after.standby <= before.standby, "\(seen)")
        }
    }

    /// Waits until the counts have stayed for a while.
    private func settled(_ fixture: Fixture, _ agent: FakeAgent) async throws -> Counts {
        var last = try await counts(fixture)
        var same = 0
        for _ in 0..<200 where same < 40 {
            try await drive(agent, seconds: 0.1)
            let now = try await counts(fixture)
            same = now == last ? same + 1 : 0
            last = now
        }
        try #require(same >= 40, "the counts do not settle: \(last)")
        return last
    }

    private func counts(_ fixture: Fixture) async throws -> Counts {
        let record = try await fixture.client.service("web").record
        return Counts(online: record.desiredOnline, standby: record.desiredStandby)
    }

    /// Twelve requests in flight, 120 a second; each tenth of a second one second of it is reported, so that averages fill soon.
    private func drive(_ agent: FakeAgent, seconds: Double) async throws {
        for _ in 0..<max(1, Int(seconds * 10)) {
            agent.sendLoad("web", inflight: 12)
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}
