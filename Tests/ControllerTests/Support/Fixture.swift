import ControlAPI
import Controller
import Glibc
import ImageStore
import Logging
import SidekickModel
import Synchronization
import Testing

/// Images that exist only by name.
final class NamedImages: ImageLibrary {
    private let digests: [String: String]

    init(_ names: [String]) {
        digests = Dictionary(uniqueKeysWithValues: names.map { ($0, "sha256:\($0)") })
    }

    func importImage(path: String, name: String?, configuration: ImageConfiguration?) async throws(ImageError) -> [StoredImage] {
        throw ImageError(.notFound, "there is no file \(path)")
    }

    func image(_ reference: String) async throws(ImageError) -> StoredImage {
        guard let digest = digests[reference] else {
            throw ImageError(.notFound, "there is no image \(reference); import it with ‘sidekick image import’")
        }
        return StoredImage(digest: digest, names: [reference], size: 1, layers: [], configuration: ImageConfiguration())
    }

    func images() async throws(ImageError) -> [StoredImage] {
        var all: [StoredImage] = []
        for name in digests.keys.sorted() { all.append(try await image(name)) }
        return all
    }

    func remove(_ reference: String, keep: Set<String>) async throws(ImageError) { _ = try await image(reference) }

    func unpack(_ digest: String) async throws(ImageError) -> UnpackedImage {
        throw ImageError(.notFound, "nothing is unpacked here")
    }
}

/// One controller on a directory of its own, served for real.
final class Fixture: Sendable {
    let directory: String
    var socket: String { directory + "/control.sock" }
    var client: ControlClient { ControlClient(socketPath: socket) }
    private let running = Mutex<(server: ControllerServer, task: Task<Void, any Error>)?>(nil)

    /// Works on a directory somebody else owns.
    init(directory: String) { self.directory = directory }

    init() {
        var template = Array("/tmp/sidekick-controller-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template)!)
    }

    /// Runs `body` beside a controller, then stops it and removes what it left.
    static func run(_ body: (Fixture) async throws -> Void) async throws {
        let fixture = Fixture()
        do {
            try await fixture.start()
            try await body(fixture)
        } catch {
            await fixture.stop()
            fixture.erase()
            throw error
        }
        await fixture.stop()
        fixture.erase()
    }

    var configuration: ControllerConfiguration {
        var configuration = ControllerConfiguration(
            stateDirectory: directory + "/state", apiSocket: socket, agentListen: "127.0.0.1:0", joinSecret: "secret")
        configuration.timings.tick = Milliseconds(50)
        configuration.timings.heartbeat = Milliseconds(100)
        return configuration
    }

    /// Returns once it serves.
    func start(_ configuration: ControllerConfiguration? = nil) async throws {
        var logger = Logger(label: "controller") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        let server = ControllerServer(
            configuration: configuration ?? self.configuration,
            images: NamedImages(["web:1", "web:2", "web:3"]), logger: logger)
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            defer { signal.finish() }
            try await server.run { signal.yield() }
        }
        running.withLock { $0 = (server, task) }
        for await _ in ready { return }
        try await task.value
    }

    func stop() async {
        guard let (_, task) = running.withLock({ $0.take() }) else { return }
        task.cancel()
        _ = await task.result
    }

    func erase() { _ = Self.spawn(["rm", "-rf", directory]) }

    /// Does something to the controller's database behind its back.
    func sql(_ statement: String) throws {
        try #require(Self.spawn(["sqlite3", "-cmd", ".timeout 5000", directory + "/state/state.db", statement]) == 0)
    }

    /// What the program ended with, as waitpid(2) tells it; -1 when it could not be started.
    private static func spawn(_ arguments: [String]) -> Int32 {
        var pid: pid_t = 0
        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        guard posix_spawnp(&pid, arguments[0], nil, nil, words, environ) == 0 else { return -1 }
        var status: Int32 = -1
        waitpid(pid, &status, 0)
        return status
    }

    var port: Int { running.withLock { $0?.server.boundAgentPort } ?? 0 }

    /// An agent that is in session.
    func agent(_ name: String = "host-a") async throws -> FakeAgent {
        let agent = FakeAgent(name)
        try await agent.connect(port: port)
        try await eventually("\(name) is in session") { agent.now.syncs == 1 }
        return agent
    }

    func apply(_ spec: ServiceSpec) async throws -> ApplyResult {
        try #require(try await client.apply(ApplyRequest(services: [spec])).first)
    }
}

/// Waits until `condition` holds; fails by name after `seconds`.
func eventually(
    _ what: String, seconds: Int = 30, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("never: \(what)", sourceLocation: sourceLocation)
    throw CancellationError()
}

/// A service that keeps `online` replicas online whatever the load.
func webSpec(_ image: String = "web:1", online: Int = 2, env: [String: String] = [:]) -> ServiceSpec {
    var spec = ServiceSpec(service: "web", image: image)
    spec.ports = ["http": 8080]
    spec.ingress = [IngressRule(host: "web.example.com")]
    spec.env = env
    spec.replicas.min = online
    spec.replicas.max = 10
    spec.replicas.standby = .count(0)
    spec.scale.concurrency = 4
    spec.rollout.bake = Milliseconds(100)
    return spec
}
