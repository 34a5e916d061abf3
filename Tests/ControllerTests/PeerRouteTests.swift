import Controller
import SidekickModel
import Testing

@Suite struct PeerRouteTests {
    @Test func `every host hears where else a service runs, as hosts come, go and change`() async throws {
        try await Fixture.run { fixture in
            let agents = ["host-a", "host-b", "host-c"].enumerated().map {
                FakeAgent($0.element, gateway: $0.offset == 2 ? nil : "10.0.0.\($0.offset + 1):8081")
            }
            for agent in agents { try await agent.connect(port: fixture.port) }
            try await eventually("all are in session") { agents.allSatisfy { $0.now.syncs == 1 } }
            _ = try await fixture.apply(webSpec(online: 6))
            try await eventually("every host serves") { agents.allSatisfy { !$0.now.online.isEmpty } }
            for agent in agents {
                try await eventually("\(agent.name) knows the two that take requests of others") {
                    agent.now.routes["web"]?.peers?.map(\.host) == ["host-a", "host-b"]
                }
                #expect(agent.now.routes["web"]?.peers?.allSatisfy { $0.online > 0 } == true)
                #expect(agent.now.routes["web"]?.peers?.map(\.address) == ["10.0.0.1:8081", "10.0.0.2:8081"])
            }
            let secrets = Set(agents.map(\.now.peering))
            #expect(secrets.count == 1 && secrets.first??.count == 64)
            #expect(secrets != ["secret"])

            try await agents[0].disconnect()
            await fixture.stop()
            try await fixture.start()
            try await agents[1].connect(port: fixture.port)
            try await eventually("the new controller's routes came") { agents[1].now.syncs == 2 }
            #expect(agents[1].now.routes["web"]?.peers == nil, "one that has not heard of every host does not say")
            #expect(Set([agents[1].now.peering]) == secrets)
            try await agents[0].connect(port: fixture.port)
            try await agents[2].connect(port: fixture.port)
            try await eventually("it says again once it knows") {
                agents[1].now.routes["web"]?.peers?.map(\.host) == ["host-a", "host-b"]
            }
        }
    }
}
