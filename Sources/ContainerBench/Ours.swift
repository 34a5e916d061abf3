import ContainerCore
import Glibc

/// Our engine, driven as the agent drives it.
final class Ours: Sendable {
    let engine: ContainerEngine
    private let layer: String
    private let hasNetwork: Bool

    init(
        name: String, work: String, run: String, initPath: String, subnet: String?, ready: Int,
        step: @escaping StepObserver = { _ in }
    ) async throws {
        engine = try ContainerEngine(
            EngineConfiguration(
                name: name, stateDirectory: "\(work)/\(name)/state", runDirectory: "\(run)/\(name)", initPath: initPath,
                subnet: subnet, readyCradles: ready), step: step)
        layer = "\(work)/layer"
        hasNetwork = subnet != nil
        _ = try await engine.recover()
    }

    func configuration(_ id: String, _ program: String) -> ContainerConfiguration {
        var configuration = ContainerConfiguration(id: id, layers: [layer], arguments: ["/\(program)"])
        configuration.network = hasNetwork
        configuration.limits.cpuMillis = 1000
        configuration.limits.memoryBytes = 64 << 20
        configuration.limits.memoryAndSwapBytes = 64 << 20
        configuration.limits.pids = 100
        return configuration
    }

    /// Milliseconds of each step of a container's life.
    struct Life {
        var prepare = 0.0
        var start = 0.0
        /// From the start's return until the exit was told.
        var exit = 0.0
        var remove = 0.0
        var whole: Double { prepare + start + exit + remove }
    }

    /// Create, start, exit, and removal of all that it used.
    func run(_ id: String, _ program: String, note: (String) -> Void = { _ in }) async throws -> Life {
        var life = Life()
        let exits = engine.exits()
        let configuration = configuration(id, program)
        var began = now()
        func step() -> Double {
            defer { began = now() }
            return now() - began
        }
        _ = try await engine.prepare(configuration)
        life.prepare = step()
        note("prepare done")
        _ = try await engine.start(id)
        life.start = step()
        note("start done")
        for await end in exits where end.id == id {
            guard end.exit.code == 0 else { throw CommandFailed(description: "\(program) exited with \(end.exit)") }
            break
        }
        life.exit = step()
        note("exit done")
        try await engine.remove(id)
        life.remove = step()
        note("remove done")
        return life
    }

    /// The time that the program `clock` printed, in milliseconds of the same clock as `now`.
    func printedTime(_ id: String) throws -> Double {
        guard let line = text(of: engine.logPath(id))?.split(separator: "\n").last, let word = line.split(separator: " ").last,
            let nanoseconds = Double(word)
        else { throw CommandFailed(description: "container \(id) printed no time") }
        return nanoseconds / 1e6
    }
}
