import AgentProtocol
import ControlAPI
import Controller
import FoundationEssentials
import Glibc
import SidekickModel
import Testing

@Suite struct SessionTests {
    @Test func `a controller started anew on the same directory keeps counts and replicas`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec())
            try await eventually("it is settled") { try await fixture.client.service("web").rollout?.phase == .succeeded }
            _ = try await fixture.client.scale("web", ScaleRequest(online: 5))
            try await eventually("five serve") { agent.now.online.count == 5 }
            let (before, orders, epoch) = (agent.now.online.map(\.replica), agent.now.orders.count, agent.now.epoch)
            await fixture.stop()
            try await eventually("the session ended") { agent.now.closed }

            try await fixture.start()
            // Nobody has reported yet: nothing may be taken away, nothing made twice.
            try await Task.sleep(for: .milliseconds(300))
            let held = try await fixture.client.service("web")
            #expect(held.record.desiredOnline == 5)
            #expect(held.replicas.map(\.record.id) == before)
            #expect(try await fixture.client.hosts().map(\.liveness) == ["unknown"])

            try await agent.connect(port: fixture.port)
            try await eventually("in session again") { agent.now.syncs == 2 }
            try await eventually("its reports count") {
                try await fixture.client.service("web").replicas.count { $0.observed?.ready == true } == 5
            }
            #expect(agent.now.epoch == epoch + 1)
            #expect(agent.now.online.map(\.replica) == before)
            // The sync repeats the orders; none of them is new.
            #expect(agent.now.orders.count == orders + 5)
        }
    }

    @Test func `a lost connection moves nothing, and the agent's return settles it`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec())
            try await eventually("two serve") { agent.now.online.count == 2 }
            let before = agent.now.online.map(\.replica)
            try await agent.disconnect()
            try await eventually("the host is suspected") { try await fixture.client.hosts().first?.liveness == "suspected" }
            #expect(try await fixture.client.service("web").replicas.map(\.record.id) == before)
            try await agent.connect(port: fixture.port)
            try await eventually("the host is alive") { try await fixture.client.hosts().first?.liveness == "alive" }
            #expect(agent.now.online.map(\.replica) == before)
        }
    }

    @Test func `a wrong secret is refused with the reason, and recorded`() async throws {
        try await Fixture.run { fixture in
            let stranger = FakeAgent("stranger", secret: "guess")
            try await stranger.connect(port: fixture.port)
            try await eventually("it is refused") { stranger.now.refused != nil && stranger.now.closed }
            #expect(stranger.now.refused?.contains("secret") == true)
            #expect(stranger.now.syncs == 0)
            try await eventually("it is recorded") {
                try await fixture.client.events().contains { $0.kind == .hostRefused && $0.host == "stranger" }
            }
            let hosts = try await fixture.client.hosts()
            #expect(hosts.isEmpty)
        }
    }

    @Test func `strangers on the agents' port are cut off, and agents do not notice`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            let web = FakeAgent("browser")
            try await web.connect(port: fixture.port)
            web.send(bytes: Array("GET / HTTP/1.1\r\n\r\n".utf8))
            try await eventually("the browser is cut off") { web.now.closed }
            let heartbeats = agent.now.heartbeats
            try await eventually("heartbeats go on") { agent.now.heartbeats > heartbeats + 2 }
            #expect(!agent.now.closed)
        }
    }

    @Test func `a connection that says nothing is cut off`() async throws {
        let fixture = Fixture()
        defer { fixture.erase() }
        var configuration = fixture.configuration
        configuration.timings.hello = Milliseconds(100)
        try await fixture.start(configuration)
        let silent = FakeAgent("silent")
        try await silent.connect(port: fixture.port, hello: false)
        try await eventually("it is cut off") { silent.now.closed }
        await fixture.stop()
    }

    @Test func `a second session of the same host replaces the first`() async throws {
        try await Fixture.run { fixture in
            let first = try await fixture.agent()
            let second = try await fixture.agent()
            try await eventually("the first is closed") { first.now.closed }
            _ = try await fixture.apply(webSpec(online: 1))
            try await eventually("the second has the order") { second.now.online.count == 1 }
            #expect(first.now.orders.isEmpty)
            #expect(try await fixture.client.hosts().count == 1)
        }
    }

    @Test func `a replica nobody knows any more may be forgotten`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            var report = ObservedReplica(replica: ReplicaID(77), service: "old", revision: 1, generation: 4, phase: .removed)
            report.starts = 1
            agent.send(.observed([report]))
            try await eventually("the agent may forget it") { agent.now.forgotten == [ReplicaID(77)] }
        }
    }

    @Test func `ports and sockets already taken are refused by name, and the socket is the owner's alone`() async throws {
        try await Fixture.run { fixture in
            let attributes = try FileManager.default.attributesOfItem(atPath: fixture.socket)
            #expect(attributes[.posixPermissions] as? Int == 0o600)

            let second = Fixture()
            defer { second.erase() }
            var configuration = second.configuration
            configuration.agentListen = "127.0.0.1:\(fixture.port)"
            await #expect {
                try await second.start(configuration)
            } throws: { error in
                let error = error as? ControllerError
                return error?.code == .refused && error?.message.contains("\(fixture.port)") == true
            }
            configuration = second.configuration
            configuration.apiSocket = fixture.socket
            await #expect {
                try await second.start(configuration)
            } throws: { error in
                let error = error as? ControllerError
                return error?.code == .refused && error?.message.contains(fixture.socket) == true
            }
            configuration = fixture.configuration
            configuration.apiSocket = second.socket
            await #expect { try await second.start(configuration) } throws: { ($0 as? ControllerError)?.code == .refused }
            try await fixture.client.health()
        }
    }

    @Test func `a controller that is not there is told with its socket and what to do`() async throws {
        let client = ControlClient(socketPath: "/tmp/no-such-sidekick.sock")
        await #expect {
            try await client.health()
        } throws: { error in
            let failure = error as? APIFailure
            return failure?.code == .unreachable && failure?.message.contains("/tmp/no-such-sidekick.sock") == true
                && failure?.message.contains("sidekick controller") == true
        }
    }
}
