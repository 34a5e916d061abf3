import Agent
import ArgumentParser
import ContainerCore
import FoundationEssentials
import Glibc
import ImageStore

/// The container core of this host, used alone.
struct LocalEngineOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where containers are kept.", valueName: "directory")) var data = "/var/lib/sidekick/alone"
    @Option(help: ArgumentHelp("Where sockets are made.", valueName: "directory")) var run = "/run/sidekick/alone"
    @Option(help: ArgumentHelp("Where images are kept.", valueName: "directory")) var images = "/var/lib/sidekick/images"
    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Names this instance's bridge, cgroups and nftables table; 1-8 of a-z and 0-9.", valueName: "name"))
    var name = "alone"
    @Option(help: ArgumentHelp("Subnet of the containers' bridge.", valueName: "cidr")) var subnet = "10.89.0.0/16"
    @Option(help: ArgumentHelp("The sidekick-init executable; beside this one when not given.", valueName: "path")) var initPath:
        String?

    /// Runs `body` with an engine that has adopted what runs. Only one command at a time may be between adopting and letting go of the
    /// lock, because whatever is half made is taken for a leftover.
    /// - Throws: `CommandFailure` for what the core failed at.
    func withEngine<Result>(_ body: (_ engine: ContainerEngine, _ unlock: () -> Void) async throws -> Result) async throws
        -> Result
    {
        guard geteuid() == 0 else { throw CommandFailure(.refused, "container: needs root") }
        do {
            var configuration = EngineConfiguration(
                name: name, stateDirectory: "\(data)/containers", runDirectory: "\(run)/containers",
                initPath: try EngineOptions.initPath(initPath), subnet: subnet)
            configuration.readyCradles = 0
            let lock = try await HostLock.take("\(run)/lock")
            defer { lock.release() }
            let engine = try ContainerEngine(configuration)
            _ = try await engine.recover()
            let result = try await body(engine) { lock.release() }
            await engine.shutdown()
            return result
        } catch let error as ContainerError {
            throw CommandFailure(
                error.code == .notFound || error.code == .invalidConfiguration ? .refused : .failed, "container: \(error)")
        } catch let error as ImageError {
            throw CommandFailure(error.code == .notFound ? .refused : .failed, "container: \(error)")
        } catch let error as AgentError {
            throw CommandFailure(.refused, "container: \(error)")
        }
    }

    var volumes: NamedVolumes { NamedVolumes(root: "\(data)/volumes") }

    func store() throws -> ImageStore { try ImageStore(root: images) }
}

/// An exclusive lock on a file, waited for on a thread of its own.
final class HostLock: Sendable {
    private let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    static func take(_ path: String) async throws -> HostLock {
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        return try await withCheckedThrowingContinuation { continuation in
            DedicatedThread.start {
                let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
                guard descriptor >= 0 else {
                    return continuation.resume(
                        throwing: CommandFailure(.failed, "container: opening \(path): \(String(cString: strerror(errno)))"))
                }
                while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
                continuation.resume(returning: HostLock(descriptor))
            }
        }
    }

    /// Safe to repeat; the descriptor itself closes with the last reference.
    func release() { flock(descriptor, LOCK_UN) }

    deinit { close(descriptor) }
}
