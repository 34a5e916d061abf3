import ControlAPI
import Controller
import Glibc
import Logging
import SidekickModel
import Testing

/// Kills a controller that is at work. It is this test program once more, told by its environment to run only the first test.
@Suite(.serialized) struct KilledControllerTests {
    @Test(.enabled(if: getenv(ControllerProcess.variable) != nil))
    func controller() async throws {
        let directory = String(cString: try #require(getenv(ControllerProcess.variable)))
        let fixture = Fixture(directory: directory)
        try await fixture.start()
        let file = try #require(fopen(directory + "/port.new", "w"))
        fputs("\(fixture.port)\n", file)
        fclose(file)
        rename(directory + "/port.new", directory + "/port")
        try await Task.sleep(for: .seconds(60))
    }

    @Test(.disabled(if: getenv(ControllerProcess.variable) != nil))
    func `killed at work, a controller comes back with every acknowledged count, replica and rollout`() async throws {
        let fixture = Fixture()
        defer { fixture.erase() }
        let agent = FakeAgent()
        var controller = try await ControllerProcess(fixture)
        try await agent.connect(port: controller.port)
        _ = try await fixture.apply(webSpec())
        try await eventually("it is settled") { try await fixture.client.service("web").rollout?.phase == .succeeded }

        for round in 1...4 {
            let wanted = 2 + round
            #expect(try await fixture.client.scale("web", ScaleRequest(online: wanted)).record.desiredOnline == wanted)
            let spec = webSpec(round % 2 == 0 ? "web:1" : "web:2")
            let revision = try await fixture.apply(spec).revision
            // In the midst of what follows from it.
            usleep(UInt32.random(in: 0..<200_000))
            controller.kill()
            try await eventually("the session ended") { agent.now.closed }
            let (before, epoch) = (agent.now.online.count, agent.now.epoch)

            controller = try await ControllerProcess(fixture)
            let held = try await fixture.client.service("web")
            #expect(held.record.revision == revision)
            #expect(held.record.desiredOnline == wanted)
            #expect(held.record.manualOnline == wanted)
            #expect(held.rollout?.to == revision)
            try await agent.connect(port: controller.port)
            try await eventually("it is in session") { agent.now.epoch == epoch + 1 }
            #expect(agent.now.online.count >= min(before, wanted))
            try await eventually("the rollout ends after all, round \(round)") {
                let now = try await fixture.client.service("web")
                return now.rollout?.phase == .succeeded
                    && agent.now.online.map(\.revision) == Array(repeating: revision, count: wanted)
            }
        }
        controller.kill()
    }
}
