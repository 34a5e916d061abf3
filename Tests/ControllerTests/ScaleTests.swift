import ControlAPI
import Controller
import Glibc
import SidekickModel
import Testing

/// Many agents at once. `SIDEKICK_SCALE_AGENTS` says how many (60 when not given); the times are printed.
@Suite(.serialized) struct ScaleTests {
    private var count: Int { getenv("SIDEKICK_SCALE_AGENTS").flatMap { Int(String(cString: $0)) } ?? 60 }

    @Test func `many agents join, get their replicas, and come back all at once without one replica moved`() async throws {
        try await Fixture.run { fixture in
            let count = count
            let agents = (0..<count).map { FakeAgent("host-\($0)") }
            try await Self.timed("\(count) agents joined", within: 60) {
                try await Self.connect(agents, fixture)
                try await eventually("all are in session") { agents.allSatisfy { $0.now.syncs == 1 } }
                try await eventually("all are hosts") { try await fixture.client.hosts().count == count }
            }
            var spec = webSpec(online: 2 * count)
            spec.replicas.max = 4 * count
            spec.rollout.maxSurge = 2 * count
            let wanted = spec
            try await Self.timed("\(2 * count) replicas serve", within: 60) {
                _ = try await fixture.apply(wanted)
                try await eventually("each has two", seconds: 60) { agents.allSatisfy { $0.now.online.count == 2 } }
                try await eventually("it has proved itself", seconds: 60) {
                    try await fixture.client.service("web").rollout?.phase == .succeeded
                }
            }
            let before = agents.map { $0.now.online.map(\.replica) }
            for agent in agents { try await agent.disconnect() }
            try await eventually("all sessions ended", seconds: 60) { agents.allSatisfy { $0.now.closed } }
            try await Self.timed("\(count) agents came back", within: 60) {
                try await Self.connect(agents, fixture)
                try await eventually("all are in session again", seconds: 60) { agents.allSatisfy { $0.now.syncs == 2 } }
            }
            try await eventually("all are alive", seconds: 60) {
                try await fixture.client.hosts().allSatisfy { $0.liveness == "alive" }
            }
            #expect(agents.map { $0.now.online.map(\.replica) } == before)
        }
    }

    private static func connect(_ agents: [FakeAgent], _ fixture: Fixture) async throws {
        let port = fixture.port
        try await withThrowingTaskGroup(of: Void.self) { group in
            for agent in agents { group.addTask { try await agent.connect(port: port) } }
            try await group.waitForAll()
        }
    }

    private static func timed(_ what: String, within seconds: Int, _ body: () async throws -> Void) async throws {
        let clock = ContinuousClock()
        let took = try await clock.measure(body)
        print("scale: \(what) after \(took)")
        #expect(took < .seconds(seconds))
    }
}
