import Foundation
import Glibc
import Synchronization

/// Well-behaved clients beside an attack: each sends requests on a schedule, on a kept connection, and measures from when a request was due,
/// so that a stall counts for every request it delays.
final class Bystanders: Sendable {
    private struct State {
        var milliseconds: [Double] = []
        var failures: [String] = []
        var running = 0
    }

    private let state = Mutex(State())
    private let stopping = Atomic<Bool>(false)

    /// - Parameters:
    ///   - clients: one thread each.
    ///   - rate: requests a second of each.
    init(port: UInt16, clients: Int = 4, rate: Double = 50) {
        state.withLock { $0.running = clients }
        for number in 0..<clients {
            Thread.detachNewThread { [self] in
                run(port, offset: Double(number) / Double(clients) / rate, pause: 1 / rate)
                state.withLock { $0.running -= 1 }
            }
        }
    }

    private func run(_ port: UInt16, offset: Double, pause: Double) {
        var due = ProcessInfo.processInfo.systemUptime + offset
        do {
            let client = try TestClient(port: port)
            while !stopping.load(ordering: .relaxed) {
                let now = ProcessInfo.processInfo.systemUptime
                if due > now { usleep(useconds_t((due - now) * 1e6)) }
                let status = try client.get().status
                let took = (ProcessInfo.processInfo.systemUptime - due) * 1000
                state.withLock { state in
                    state.milliseconds.append(took)
                    if status != 200 { state.failures.append("status \(status)") }
                }
                due += pause
            }
        } catch {
            state.withLock { $0.failures.append("\(error)") }
        }
    }

    struct Report {
        var requests: Int
        var median: Double
        var p99: Double
        var worst: Double
        var failures: [String]
    }

    /// What was measured since the last call.
    func take() -> Report {
        let (times, failures) = state.withLock { state in
            defer {
                state.milliseconds = []
                state.failures = []
            }
            return (state.milliseconds.sorted(), state.failures)
        }
        func quantile(_ share: Double) -> Double {
            times.isEmpty ? .nan : times[min(times.count - 1, Int(Double(times.count) * share))]
        }
        return Report(
            requests: times.count, median: quantile(0.5), p99: quantile(0.99), worst: times.last ?? .nan, failures: failures)
    }

    func stop() {
        stopping.store(true, ordering: .relaxed)
        while state.withLock({ $0.running }) > 0 { usleep(1000) }
    }
}
