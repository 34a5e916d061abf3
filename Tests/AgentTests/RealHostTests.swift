import Agent
import AgentProtocol
import ContainerCore
import FoundationEssentials
import Glibc
import ImageStore
import NIOCore
import NIOPosix
import SidekickModel
import Synchronization
import Testing

/// The agent with the real container core, the real image store and the example service, on this kernel.
@Suite(.serialized)
struct RealHostTests {
    /// A bench with an engine and a store of its own; everything is removed after.
    struct Host {
        let bench: AgentBench
        let engine: ContainerEngine
        let images: ImageStore
        let digest: String
        let configuration: EngineConfiguration

        func order(
            _ replica: Int64, _ desired: DesiredState, generation: Int64 = 1, change: (inout ServiceSpec) -> Void = { _ in }
        ) -> Assignment {
            var order = bench.order(replica, desired, generation: generation) {
                $0.ports = ["http": 8080]
                $0.env = ["SERVICE_MS": "1", "CONCURRENCY": "4"]
                $0.health.startup = Probe()
                $0.health.startup?.http = "/healthz"
                $0.resources.memory = .mebibytes(64)
                change(&$0)
            }
            order.imageDigest = digest
            return order
        }

        var running: [Int32] {
            get async { await engine.list().filter { $0.state == .running }.compactMap(\.pid).sorted() }
        }
    }

    /// - Parameter replacesEngine: whether the body shuts the engine down itself.
    static func run(_ subnet: Int, replacesEngine: Bool = false, _ body: (Host) async throws -> Void) async throws {
        try await AgentBench.run { bench in
            let script = #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/deploy/examples/build-images.sh"
            try #require(system("/\(script) \(bench.directory)/built > \(bench.directory)/build.log 2>&1") == 0)
            let images = try ImageStore(root: "\(bench.directory)/images")
            let stored = try await images.importImage(path: "\(bench.directory)/built/hello-1.tar", name: nil, configuration: nil)
            let configuration = EngineConfiguration(
                name: "a" + String(UInt32.random(in: 0...UInt32.max), radix: 36), stateDirectory: "\(bench.directory)/engine",
                runDirectory: "\(bench.directory)/run", initPath: initPath, subnet: "10.\(200 + subnet).0.0/24")
            let engine = try ContainerEngine(configuration)
            let digest = try #require(stored.first?.digest)
            let host = Host(bench: bench, engine: engine, images: images, digest: digest, configuration: configuration)
            let result: Result<Void, any Error>
            do {
                try await body(host)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            await bench.stopAgent()
            if !replacesEngine { await engine.shutdown() }
            let last = try ContainerEngine(configuration)
            _ = try await last.recover()
            try await last.destroy()
            try result.get()
        }
    }

    /// Beside the test bundle.
    private static var initPath: String {
        let package = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/\(package)/.build/debug/sidekick-init"
    }

    @Test(arguments: [Rung.prepared, .frozen])
    func `a standby gets requests within its own start and ten milliseconds of the hold`(rung: Rung) async throws {
        try await Self.run(1) { host in
            let count = 12
            try await host.bench.startAgent(on: (host.engine, host.images))
            let gateway = try await host.bench.gateway()
            var route = host.bench.route
            route.maxOnline = 100
            try await host.bench.controller.sync((1...Int64(count)).map { host.order($0, .rung(rung)) }, [route])
            let settled = Mutex(Set<ReplicaID>())
            _ = try await host.bench.controller.observed.next("all \(rung)") { report in
                settled.withLock {
                    if report.phase == .settled && report.rung == rung { $0.insert(report.replica) }
                    return $0.count == count
                }
            }
            var took: [Double] = []
            for wanted in 1...count {
                let begin = NIODeadline.now()
                try await gateway.held("web", inflight: wanted)
                let endpoints = try await gateway.endpoints("\(wanted) endpoints") { $0.count == wanted }
                took.append(Double((NIODeadline.now() - begin).nanoseconds) / 1e6)
                #expect(endpoints.allSatisfy { !$0.draining })
                try await Task.sleep(for: .milliseconds(300))
            }
            took.sort()
            print("held to routed from \(rung), ms: p50 \(took[count / 2]), least \(took[0]), most \(took[count - 1])")
            #expect(took[count / 2] < 60)
        }
    }

    @Test func `a new agent and engine take over the same processes, and the service answers throughout`() async throws {
        try await Self.run(2, replacesEngine: true) { host in
            try await host.bench.startAgent(on: (host.engine, host.images))
            var gateway = try await host.bench.gateway()
            try await host.bench.controller.sync(
                [host.order(1, .rung(.online)), host.order(2, .rung(.prepared)), host.order(3, .rung(.frozen))],
                [host.bench.route])
            let before = try await gateway.endpoints("an endpoint") { !$0.isEmpty }
            let settled = Mutex<Set<ReplicaID>>([])
            _ = try await host.bench.controller.observed.next("all three settled") { report in
                settled.withLock {
                    if report.phase == .settled { $0.insert(report.replica) }
                    return $0.count == 3
                }
            }
            let pids = await host.engine.list().compactMap(\.pid).sorted()
            #expect(pids.count == 3)
            await host.bench.stopAgent()
            await host.engine.shutdown()

            let second = try ContainerEngine(host.configuration)
            try await host.bench.startAgent(on: (second, host.images))
            gateway = try await host.bench.gateway()
            #expect(try await gateway.endpoints("the same endpoint") { !$0.isEmpty }.map(\.address) == before.map(\.address))
            #expect(await second.list().compactMap(\.pid).sorted() == pids)
            try await gateway.held("web", inflight: 3)
            _ = try await gateway.endpoints("the standbys too") { $0.count == 3 }
            #expect(await second.list().compactMap(\.pid).sorted() == pids)
            await host.bench.stopAgent()
            await second.shutdown()
        }
    }

    @Test func `a killed process is replaced, and removal leaves no container`() async throws {
        try await Self.run(3) { host in
            try await host.bench.startAgent(on: (host.engine, host.images))
            let gateway = try await host.bench.gateway()
            try await host.bench.controller.sync([host.order(1, .rung(.online))], [host.bench.route])
            let report = try await host.bench.controller.observed.next("ready") { $0.ready }
            let saysItListens: @Sendable (AgentMessage) -> Bool = {
                guard case .logs(1, let bytes, false, nil) = $0 else { return false }
                return String(decoding: bytes, as: UTF8.self).contains("version 1 listens on port 8080")
            }
            try await host.bench.controller.send(.readLogs(request: 1, replica: ReplicaID(1), tail: 10, follow: true))
            _ = try await host.bench.controller.messages.next("its log", saysItListens)
            try #require(kill(pid_t(report.pid ?? 0), SIGKILL) == 0)
            let failed = try await host.bench.controller.observed.next("failed") { $0.phase == .failed }
            #expect(failed.failure?.hasPrefix("ended by signal KILL") == true)
            let again = try await host.bench.controller.observed.next("ready again") { $0.ready }
            #expect(again.pid != report.pid && again.starts == 2)
            _ = try await host.bench.controller.messages.next("the next container's log", saysItListens)
            try await host.bench.controller.send(.assignments([host.order(1, .removed, generation: 2)]))
            _ = try await gateway.endpoints("draining") { $0.first?.draining == true }
            try await gateway.send(.drained(ReplicaID(1)))
            _ = try await host.bench.controller.observed.next("removed") { $0.phase == .removed }
            #expect(await host.engine.list().isEmpty)
            try await host.bench.controller.send(.forget([ReplicaID(1)]))
            _ = try await host.bench.controller.messages.next("the log's end") {
                if case .logs(1, _, true, nil) = $0 { true } else { false }
            }
        }
    }
}
