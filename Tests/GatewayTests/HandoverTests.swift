import AgentProtocol
import EventLoop
import Foundation
import Gateway
import Glibc
import Logging
import SidekickModel
import Synchronization
import Testing

struct HandoverTests {
    private static func quiet() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    /// A gateway that runs in this process until it ends by itself or `shutdown`.
    private final class Running: Sendable {
        let server: GatewayServer
        private let task: Task<Void, any Error>
        private let done = Mutex(false)

        init(_ configuration: GatewayConfiguration) throws {
            let server = try GatewayServer(configuration, log: HandoverTests.quiet())
            self.server = server
            task = Task { try await server.run() }
        }

        func watch() {
            Task { [self] in
                _ = await task.result; done.withLock { $0 = true }
            }
        }
        var hasEnded: Bool { done.withLock { $0 } }
        func wait() async throws { try await task.value }
    }

    private static func withDirectory(_ body: (String, ScriptedAgent) async throws -> Void) async throws {
        let directory = "/tmp/sk-gw-over-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(directory, 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let agent = try ScriptedAgent(path: "\(directory)/agent.sock")
        defer { agent.stop() }
        try await body(directory, agent)
    }

    @Test func `gateways replaced under load drop nothing, and an upgraded connection lives until it ends`() async throws {
        let replica = try TestReplica { request, connection in
            if request["upgrade"] != nil {
                connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
                while let bytes = connection.socket.read(), !bytes.isEmpty { connection.socket.write(bytes) }
                return false
            }
            usleep(2000)
            return TestReplica.answer(request, connection)
        }
        try await Self.withDirectory { directory, agent in
            var configuration = GatewayConfiguration(
                listen: ["127.0.0.1:0"], agentSocket: agent.path, stateDirectory: directory, threads: 2)
            configuration.timeouts.keepAlive = .seconds(1)
            var gateway = try Running(configuration)
            let port = gateway.server.addresses[0].port ?? 0
            configuration.listen = ["127.0.0.1:\(port)"]
            let first = TestGateway(port: port, agent: agent, directory: directory)
            let tunnel = try await onThread { () -> BlockingSocket in
                try agent.waitForGateway()
                try first.route([TestGateway.web([replica])])
                let client = try first.client()
                client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
                guard client.reader.head()?.status == 101 else { throw TestFailure("not upgraded") }
                return client.socket
            }
            let original = gateway
            original.watch()
            let counts = Mailbox<(good: Int, bad: [String])>()
            let over = OverFlag()
            for number in 0..<4 {
                Thread.detachNewThread {
                    var good = 0
                    var bad: [String] = []
                    var kept: TestClient?
                    while !over.isSet {
                        do {
                            // Every other client keeps its connection as long as it may.
                            let client = try kept ?? TestClient(port: port)
                            kept = nil
                            let response = try client.get("/\(good)")
                            if response.text != "1 GET /\(good) 0" { bad.append("\(response.status) \(response.text)") }
                            if number % 2 == 0, response["connection"] != "close" { kept = client }
                            good += 1
                        } catch {
                            bad.append("\(error)")
                        }
                    }
                    counts.put((good, bad))
                }
            }
            for _ in 0..<5 {
                try await Task.sleep(for: .milliseconds(200))
                let next = try Running(configuration)
                #expect(next.server.addresses == gateway.server.addresses)
                gateway = next
                try await onThread {
                    try agent.waitForGateway()
                    agent.send(.sync([TestGateway.web([replica])]))
                }
            }
            try await Task.sleep(for: .milliseconds(300))
            over.set()
            var answered = 0
            for _ in 0..<4 {
                let (good, bad) = try await onThread { try counts.take() }
                answered += good
                #expect(bad.isEmpty, "\(bad.prefix(3))")
            }
            print("\(answered) requests answered over five handovers")
            #expect(answered > 100)
            #expect(!original.hasEnded, "it still carries the upgraded connection")
            let echoed = try await onThread { () -> Bool in
                tunnel.write(Array("ping".utf8))
                defer { tunnel.endWriting() }
                return tunnel.read(limit: 4) == Array("ping".utf8)
            }
            #expect(echoed)
            try await original.wait()
            gateway.server.shutdown()
            try await gateway.wait()
        }
    }

    @Test func `a successor that dies before it serves changes nothing`() async throws {
        let replica = try TestReplica()
        try await Self.withDirectory { directory, agent in
            let configuration = GatewayConfiguration(
                listen: ["127.0.0.1:0"], agentSocket: agent.path, stateDirectory: directory, threads: 1)
            let gateway = try Running(configuration)
            let port = gateway.server.addresses[0].port ?? 0
            try await onThread {
                try agent.waitForGateway()
                try TestGateway(port: port, agent: agent, directory: directory).route([TestGateway.web([replica])])
                for _ in 0..<100 where access("\(directory)/takeover.sock", F_OK) != 0 { usleep(10_000) }
                // Asks for the listeners and goes.
                let impostor = try BlockingSocket.connect(unix: "\(directory)/takeover.sock")
                _ = impostor.read(limit: 10)
            }
            for _ in 0..<5 {
                let status = try await onThread { try TestClient(port: port).get().status }
                #expect(status == 200)
            }
            gateway.server.shutdown()
            try await gateway.wait()
        }
    }
}

/// Set once, seen by every thread.
private final class OverFlag: Sendable {
    private let value = Mutex(false)
    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}
