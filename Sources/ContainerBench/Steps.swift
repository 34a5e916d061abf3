import ContainerCore
import Glibc
import Synchronization

/// When each step of the engine came, since the container's life began.
final class StepTimes: Sendable {
    private struct State {
        var began = 0.0
        var times: [String: [Double]] = [:]
        var order: [String] = []
    }

    private let state = Mutex(State())

    func begin() { state.withLock { $0.began = now() } }

    func note(_ name: String) {
        let time = now()
        state.withLock { state in
            if state.times[name] == nil { state.order.append(name) }
            state.times[name, default: []].append(time - state.began)
        }
    }

    var lines: [String] {
        state.withLock { state in
            state.order.map { name in
                let times = state.times[name] ?? []
                let values = [0.1, 0.5, 0.9].map { (Measurement.quantile(times, $0) * 1000).rounded() / 1000 }
                return "\(name): \(values[1]) (\(values[0])-\(values[2])), \(times.count)"
            }
        }
    }
}

extension ContainerBench {
    /// Where a whole life's time goes: `ContainerBench --steps WORK RUN INIT RUNS READY`.
    static func printSteps(work: String, run: String, initPath: String, runs: Int, ready: Int) async throws {
        for gap in [UInt32(300), 0] {
            let times = StepTimes()
            let ours = try await Ours(
                name: "benchs", work: work, run: run, initPath: initPath, subnet: nil, ready: ready,
                step: { times.note("    \($0)") })
            for turn in 0..<runs {
                pause(milliseconds: gap)
                times.begin()
                _ = try await ours.run("step\(turn)", "true") { times.note($0) }
            }
            say("gap \(gap) ms, \(ready) cradles ready")
            for line in times.lines { say(line) }
            try await ours.engine.destroy()
        }
    }
}
