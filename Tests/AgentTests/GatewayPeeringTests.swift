import Agent
import AgentProtocol
import SidekickModel
import Testing

/// What agent and gateways say to each other beyond routes: drains told apart, gateways that are away, other hosts' gateways.
@Suite struct GatewayPeeringTests {
    private static func number(_ endpoints: [GatewayEndpoint]) -> Int64 { endpoints.first?.number ?? 0 }

    @Test func `a drained notice of before the replica was ready again is not believed`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let gateway = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.online))], [bench.route])
            _ = try await gateway.endpoints("an endpoint") { !$0.isEmpty }
            try await bench.controller.send(.assignments([bench.order(1, .rung(.prepared), generation: 2)]))
            let first = Self.number(try await gateway.endpoints("draining") { $0.first?.draining == true })
            try await bench.controller.send(.assignments([bench.order(1, .rung(.online), generation: 3)]))
            _ = try await gateway.endpoints("ready again") { $0.first?.draining == false }
            try await bench.controller.send(.assignments([bench.order(1, .rung(.prepared), generation: 4)]))
            let second = Self.number(try await gateway.endpoints("draining again") { $0.first?.draining == true })
            #expect(second > first)
            try await gateway.send(.drained(ReplicaID(1), number: first))
            // What comes after it on the same connection has been taken, so it has too.
            try await gateway.send(.load([]))
            try await Task.sleep(for: .milliseconds(200))
            #expect(await bench.runtime.calls.contains("signal r1-1 15") == false)
            try await gateway.send(.drained(ReplicaID(1), number: second))
            _ = try await gateway.endpoints("gone") { $0.isEmpty }
            #expect(await bench.runtime.calls.contains("signal r1-1 15"))
        }
    }

    @Test func `a drain with no gateway there does not wait for one for long`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            try await bench.controller.sync([bench.order(1, .rung(.online)) { $0.stop.drain = .seconds(600) }], [bench.route])
            _ = try await bench.controller.observed.next("ready") { $0.ready }
            let began = ContinuousClock.now
            try await bench.controller.send(
                .assignments([bench.order(1, .removed, generation: 2) { $0.stop.drain = .seconds(600) }]))
            _ = try await bench.controller.observed.next("removed") { $0.phase == .removed }
            print("drained without a gateway after \(ContinuousClock.now - began)")
        }
    }

    @Test func `a replica two gateways know is drained when both have let go`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let old = try await bench.gateway()
            let new = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.online)) { $0.stop.drain = .seconds(600) }], [bench.route])
            _ = try await old.endpoints("an endpoint") { !$0.isEmpty }
            try await bench.controller.send(
                .assignments([bench.order(1, .rung(.prepared), generation: 2) { $0.stop.drain = .seconds(600) }]))
            let number = Self.number(try await old.endpoints("draining") { $0.first?.draining == true })
            try await new.send(.drained(ReplicaID(1), number: number))
            try await Task.sleep(for: .milliseconds(200))
            #expect(await bench.runtime.calls.contains("signal r1-1 15") == false)
            try await old.send(.drained(ReplicaID(1), number: number))
            _ = try await new.endpoints("gone") { $0.isEmpty }
        }
    }

    @Test func `gateways hear of other hosts' gateways, of their own host's prospects, and of the secret`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent { $0.labels = ["zone": "a"] }
            let gateway = try await bench.gateway()
            var route = bench.route
            route.peers = [
                RoutePeer(host: "h1", address: "10.0.0.1:1", zone: "a", online: 0, standby: 1),
                RoutePeer(host: "h2", address: "10.0.0.2:1", zone: "a", online: 1, standby: 0),
                RoutePeer(host: "h3", address: "10.0.0.3:1", zone: "b", online: 0, standby: 4),
            ]
            try await bench.controller.sync([bench.order(1, .rung(.prepared))], [route])
            try await bench.controller.send(.peering(secret: "fleet"))
            let peers = [
                GatewayPeer(address: "10.0.0.2:1", near: true, online: 1, standby: 0),
                GatewayPeer(address: "10.0.0.3:1", near: false, online: 0, standby: 4),
            ]
            _ = try await gateway.orders.next("its peers and prospects") {
                if case .service(let web) = $0 { web.peers == peers && web.standby == 1 && web.route.peers == nil } else { false }
            }
            _ = try await gateway.orders.next("the secret") { $0 == .peering(secret: "fleet") }
            // A controller that does not know takes nothing away, and what is known outlives the agent.
            var unknown = bench.route
            unknown.generation = 2
            try await bench.controller.send(.routes([unknown]))
            await bench.stopAgent()
            try await bench.startAgent { $0.labels = ["zone": "a"] }
            let next = try await bench.gateway()
            _ = try await next.orders.next("the secret first") { $0 == .peering(secret: "fleet") }
            _ = try await next.orders.next("the same peers") {
                if case .sync(let all) = $0 { all.first?.peers == peers } else { false }
            }
        }
    }
}
