import AgentProtocol
import ContainerCore
import FoundationEssentials
import ImageStore
import Logging
import NIOCore
import NIOPosix
import SidekickModel
import Synchronization
import Testing

@testable import Agent

/// One agent between a scripted controller and scripted gateways, with a fake runtime that outlives it.
final class AgentBench: Sendable {
    let directory: String
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let runtime: FakeRuntime
    let controller: ScriptedController
    private let task = Mutex<Task<Void, any Error>?>(nil)

    static let webPort = 18_080
    private static let benches = Mutex(0)

    /// Runs the test with a bench, and takes everything down after.
    static func run(_ body: (AgentBench) async throws -> Void) async throws {
        let bench = try await AgentBench()
        let result: Result<Void, any Error>
        do {
            try await body(bench)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await bench.stopAgent()
        await bench.runtime.stop()
        try? await bench.controller.stop()
        try await bench.group.shutdownGracefully()
        try FileManager.default.removeItem(atPath: bench.directory)
        try result.get()
    }

    private init() async throws {
        let number = Self.benches.withLock { benches in
            benches += 1
            return benches
        }
        directory = "/tmp/sidekick-agent-test-\(ProcessInfo.processInfo.processIdentifier)-\(number)"
        try FileManager.default.createDirectory(atPath: "\(directory)/layer/etc", withIntermediateDirectories: true)
        runtime = FakeRuntime(group: group, port: Self.webPort, subnet: number)
        controller = try await ScriptedController(group: group)
    }

    /// Starts an agent, on the fakes when nothing else is given, and waits until it is ready.
    func startAgent(
        on host: (runtime: any ContainerRuntime, images: any ImageLibrary)? = nil,
        _ change: (inout AgentConfiguration) -> Void = { _ in }
    ) async throws {
        var configuration = AgentConfiguration(
            host: "h1", controller: "127.0.0.1:\(controller.port)", secret: "s", stateDirectory: directory,
            gatewaySocket: "\(directory)/gw.sock",
            engine: EngineConfiguration(name: "t", stateDirectory: directory, runDirectory: directory, initPath: "/nonexistent"),
            imagesRoot: directory)
        change(&configuration)
        let (ready, sink) = AsyncStream.makeStream(of: Void.self)
        var logger = Logger(label: "agent") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = ProcessInfo.processInfo.environment["AGENT_LOG"].flatMap { Logger.Level(rawValue: $0) } ?? .critical
        let server = AgentServer(
            configuration: configuration, runtime: host?.runtime ?? runtime,
            images: host?.images ?? FakeImages(layer: "\(directory)/layer"), logger: logger
        ) { sink.yield(()) }
        let running = Task {
            defer { sink.finish() }
            try await server.run()
        }
        task.withLock { $0 = running }
        for await _ in ready { return }
        try await running.value
    }

    func stopAgent() async {
        let running = task.withLock { $0 }
        running?.cancel()
        _ = await running?.result
    }

    func gateway() async throws -> ScriptedGateway {
        try await ScriptedGateway(group: group, socket: "\(directory)/gw.sock")
    }

    func order(
        _ replica: Int64, _ desired: DesiredState, generation: Int64 = 1, change: (inout ServiceSpec) -> Void = { _ in }
    ) -> Assignment {
        var spec = ServiceSpec(service: "web", image: "web:1")
        spec.ports = ["http": Self.webPort]
        change(&spec)
        return Assignment(
            replica: ReplicaID(replica), service: "web", revision: 1, generation: generation, desired: desired, spec: spec,
            imageDigest: "sha256:1")
    }

    let route = ServiceRoute(
        service: "web", generation: 1, ingress: [IngressRule(host: "web")], concurrency: 1, holdDeadline: .seconds(30),
        holdLimit: 100,
        maxOnline: 10, revision: 1)
}

extension AgentBench {
    func loseJournal() throws { try FileManager.default.removeItem(atPath: "\(directory)/journal") }
}
