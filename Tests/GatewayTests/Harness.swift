import AgentProtocol
import Dispatch
import EventLoop
import Foundation
import Gateway
import Glibc
import HTTPFraming
import LinuxShims
import Logging
import SidekickModel
import Synchronization
import Testing

struct TestFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Runs blocking code on a thread of its own, so that the cooperative pool stays free for the gateway.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
    }
}

/// Values handed from one thread to another; taking waits.
final class Mailbox<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])
    private let count = DispatchSemaphore(value: 0)

    func put(_ value: Value) {
        values.withLock { $0.append(value) }
        count.signal()
    }

    func take(seconds: Double = 60) throws -> Value {
        guard count.wait(timeout: .now() + seconds) == .success else { throw TestFailure("nothing came within \(seconds) s") }
        return values.withLock { $0.removeFirst() }
    }

    func take(seconds: Double = 60, where wanted: (Value) -> Bool) throws -> Value {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while true {
            let value = try take(seconds: max(0, deadline.timeIntervalSinceNow))
            if wanted(value) { return value }
        }
    }
}

/// Plays the agent: what the gateway says comes out of `messages`, orders go in by `send`.
final class ScriptedAgent: Sendable {
    let path: String
    let messages = Mailbox<GatewayMessage>()
    private let listener: BlockingSocket
    private let connection = Mutex<BlockingSocket?>(nil)
    private let connected = Mailbox<Void>()

    init(path: String) throws {
        self.path = path
        unlink(path)
        listener = try BlockingSocket.listen(unix: path)
        Thread.detachNewThread { [self] in
            while let socket = listener.accept() {
                connection.withLock { $0 = socket }
                connected.put(())
                Thread.detachNewThread { [self] in read(socket) }
            }
        }
    }

    private func read(_ socket: BlockingSocket) {
        var decoder = FrameDecoder()
        while let bytes = socket.read(), !bytes.isEmpty {
            decoder.append(contentsOf: bytes)
            do {
                while let frame = try decoder.next() { messages.put(try GatewayMessage(frame: frame)) }
            } catch {
                Issue.record("\(error)")
            }
        }
    }

    func waitForGateway() throws { try connected.take() }

    func send(_ order: GatewayOrder) { connection.withLock { $0 }?.write(order.frame()) }

    func hangUp() { connection.withLock { $0.take() }?.shutdown() }

    func stop() {
        hangUp()
        listener.shutdown()
    }
}

/// A network namespace with loopback and, as of a network card, `198.51.100.1` and `2001:db8::1`.
final class TestNetwork: Sendable {
    private let namespace: Int32

    init() throws {
        namespace = sk_network_namespace_new()
        guard namespace >= 0 else { throw TestFailure("no network namespace: errno \(-namespace)") }
    }

    deinit { close(namespace) }

    /// Moves the calling thread there for good: for a thread of the test's own.
    func enter() throws {
        guard sk_network_namespace_enter(namespace) == 0 else { throw TestFailure("the network namespace cannot be entered") }
        let script = """
            ip link set lo up && ip addr replace 198.51.100.1/32 dev lo && ip addr replace 2001:db8::1/128 dev lo nodad
            """
        let made = try run("/bin/sh", ["-c", script])
        guard made.code == 0 else { throw TestFailure("no addresses: \(made.text)") }
    }
}

/// A gateway, its agent, and the directory they live in; gone after `body`.
struct TestGateway: Sendable {
    let port: UInt16
    var tlsPort: UInt16 = 0
    let agent: ScriptedAgent
    let directory: String
    /// Where it takes requests of other gateways; 0 for nowhere.
    var peerPort: UInt16 = 0
    var shutdown: @Sendable () -> Void = {}

    /// Runs `body` on a thread beside a gateway that serves `services`.
    /// - Parameters:
    ///   - greets: false for an agent that says nothing to the gateway.
    ///   - network: where it listens and where `body` runs; nil for this machine's own.
    static func with(
        _ services: [GatewayService] = [], threads: Int = 2, greets: Bool = true, network: TestNetwork? = nil,
        change: (inout GatewayConfiguration) -> Void = { _ in },
        _ body: @escaping @Sendable (TestGateway) throws -> Void
    ) async throws {
        let directory = "/tmp/sk-gw-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(directory, 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let agent = try ScriptedAgent(path: "\(directory)/agent.sock")
        var configuration = GatewayConfiguration(
            listen: ["127.0.0.1:0"], agentSocket: agent.path, stateDirectory: directory, threads: threads)
        // Tests ask as containers do.
        configuration.bridge = ContainerBridge(address: "127.0.0.1", subnet: "127.0.0.0/8")
        change(&configuration)
        let (settings, log) = (configuration, Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let server = try await onThread {
            try network?.enter()
            return try GatewayServer(settings, log: log)
        }
        let running = Task { try await server.run() }
        let gateway = TestGateway(
            port: server.addresses.first?.port ?? 0, tlsPort: server.tlsAddresses.first?.port ?? 0, agent: agent,
            directory: directory, peerPort: server.peerAddress?.port ?? 0, shutdown: { server.shutdown() })
        let result = await Result {
            try await onThread {
                try network?.enter()
                if greets {
                    try agent.waitForGateway()
                    guard case .hello = try agent.messages.take() else { throw TestFailure("no hello first") }
                    try gateway.route(services)
                }
                try body(gateway)
            }
        }
        server.shutdown()
        try await running.value
        agent.stop()
        try result.get()
    }

    /// Sends a sync and returns when it is in force. No service may have the host `*`: it would get the request that finds out.
    func route(_ services: [GatewayService]) throws {
        let name = "probe-\(UInt32.random(in: 0...UInt32.max))"
        let probe = GatewayService(route: Self.route(name, host: name, deadline: 1), endpoints: [])
        agent.send(.sync(services + [probe]))
        // Orders are taken in order, and in force on all loops at once: with the new name known, so is everything else.
        for _ in 0..<1000 {
            let client = try TestClient(port: port)
            client.send("GET / HTTP/1.1\r\nHost: \(name)\r\nConnection: close\r\n\r\n")
            if try client.response().status == 503 { return }
        }
        throw TestFailure("the routes never came into force")
    }

    static func route(
        _ name: String, host: String? = nil, path: String = "/", concurrency: Int? = nil, deadline: Int64 = 10_000,
        limit: Int = 1000
    ) -> ServiceRoute {
        ServiceRoute(
            service: name, generation: 1, ingress: host.map { [IngressRule(host: $0, path: path)] } ?? [],
            concurrency: concurrency,
            holdDeadline: Milliseconds(deadline), holdLimit: limit, maxOnline: 10, revision: 1)
    }

    /// A service `web` for the host `a` on the replicas given.
    static func web(
        _ replicas: [TestReplica], host: String = "a", concurrency: Int? = nil, deadline: Int64 = 10_000, limit: Int = 1000,
        draining: Set<Int64> = []
    ) -> GatewayService {
        GatewayService(
            route: route("web", host: host, concurrency: concurrency, deadline: deadline, limit: limit),
            endpoints: replicas.map {
                GatewayEndpoint(
                    replica: ReplicaID($0.number), revision: 1, address: "127.0.0.1:\($0.port)",
                    draining: draining.contains($0.number))
            })
    }

    func client() throws -> TestClient { try TestClient(port: port) }
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
