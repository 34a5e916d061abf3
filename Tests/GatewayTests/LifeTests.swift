import AgentProtocol
import EventLoop
import Foundation
import Gateway
import Glibc
import Logging
import SidekickModel
import Testing

struct LifeTests {
    static func quiet() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    @Test func `a new gateway serves the last routes without the agent`() async throws {
        let replica = try TestReplica()
        let directory = "/tmp/sk-gw-life-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(directory, 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await TestGateway.with([TestGateway.web([replica])], change: { $0.stateDirectory = directory }) { gateway in
            let response = try gateway.client().get()
            #expect(response.status == 200)
        }
        let configuration = GatewayConfiguration(
            listen: ["127.0.0.1:0"], agentSocket: "\(directory)/nobody.sock", stateDirectory: directory, threads: 1)
        let server = try GatewayServer(configuration, log: Self.quiet())
        let running = Task { try await server.run() }
        let port = server.addresses[0].port ?? 0
        let status = try await onThread { try TestClient(port: port).get().status }
        #expect(status == 200)
        server.shutdown()
        try await running.value
    }

    @Test func `a stopping gateway finishes what is in flight and takes nothing new`() async throws {
        let gate = Gate()
        let replica = try TestReplica { request, connection in
            try? gate.pass()
            return TestReplica.answer(request, connection)
        }
        let directory = "/tmp/sk-gw-stop-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(directory, 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let agent = try ScriptedAgent(path: "\(directory)/agent.sock")
        let server = try GatewayServer(
            GatewayConfiguration(listen: ["127.0.0.1:0"], agentSocket: agent.path, stateDirectory: directory, threads: 1),
            log: Self.quiet())
        let running = Task { try await server.run() }
        let port = server.addresses[0].port ?? 0
        let text = try await onThread {
            try agent.waitForGateway()
            try TestGateway(port: port, agent: agent, directory: directory, peerPort: 0).route([TestGateway.web([replica])])
            let idle = try TestClient(port: port)
            let busy = try TestClient(port: port)
            busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while replica.seen.requests == 0 { usleep(1000) }
            server.shutdown()
            #expect(idle.isClosed)
            // Its successor can listen while it still finishes.
            var successor: BlockingSocket?
            for _ in 0..<2000 where successor == nil {
                successor = try? BlockingSocket.listen(port: port)
                if successor == nil { usleep(1000) }
            }
            #expect(successor != nil)
            gate.open()
            let response = try busy.response()
            #expect(response["connection"] == "close")
            #expect(busy.isClosed)
            return response.text
        }
        #expect(text == "1 GET / 0")
        try await running.value
        agent.stop()
    }

    @Test func `an agent that goes away and comes back finds the gateway again`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            for _ in 0..<3 {
                gateway.agent.hangUp()
                #expect(try gateway.client().get().status == 200)
                try gateway.agent.waitForGateway()
                _ = try gateway.agent.messages.take { if case .hello = $0 { true } else { false } }
            }
            gateway.agent.send(.removeService("web"))
            for _ in 0..<1000 where try gateway.client().get().status != 404 { usleep(1000) }
            #expect(try gateway.client().get().status == 404)
        }
    }

    @Test func `a taken port is an error that names address, holder and way out`() async throws {
        try await TestGateway.with { gateway in
            let configuration = GatewayConfiguration(
                listen: ["127.0.0.1:\(gateway.port)"], agentSocket: "/tmp/nobody", stateDirectory: "/tmp", threads: 1)
            do {
                _ = try GatewayServer(configuration, log: Self.quiet())
                Issue.record("two gateways on one port")
            } catch {
                let text = "\(error)"
                #expect(
                    text.hasPrefix("cannot listen on 127.0.0.1:\(gateway.port): Address already in use by process \(getpid()) ("))
                #expect(text.hasSuffix("; stop what uses it or choose another with --listen"))
            }
        }
    }

    @Test func `requests go on while replicas and routes change under them`() async throws {
        let replicas = try (1...3).map { try TestReplica(Int64($0)) }
        try await TestGateway.with([TestGateway.web(replicas, concurrency: 4)]) { gateway in
            let done = Mailbox<Int>()
            for _ in 0..<8 {
                Thread.detachNewThread {
                    var bad = 0
                    guard let client = try? gateway.client() else { return done.put(-1) }
                    for number in 0..<300 where (try? client.get("/\(number)").status) != 200 { bad += 1 }
                    done.put(bad)
                }
            }
            for round in 0..<60 {
                let draining = Int64(round % 3 + 1)
                gateway.agent.send(.service(TestGateway.web(replicas, concurrency: 4, draining: [draining])))
                _ = try gateway.agent.messages.take { if case .drained(let id, _) = $0 { id.number == draining } else { false } }
            }
            for _ in 0..<8 {
                let bad = try done.take(seconds: 120)
                #expect(bad == 0)
            }
        }
    }
}
