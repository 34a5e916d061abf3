import ControlAPI
import ScalerTools
import SidekickModel

/// The load a controller recorded, as a trace.
enum RecordedTrace {
    private static let page = 10_000

    /// Also takes the service time from what was measured.
    static func fetch(
        _ service: String, _ client: ControlClient, _ settings: inout SimulationRun.Settings
    ) async throws -> LoadTrace {
        var records: [LoadRecord] = []
        while true {
            let more = try await client.loads(service, limit: page, since: records.last?.at.nanoseconds ?? 0)
            records += more
            if more.count < page { break }
        }
        guard let first = records.first else {
            throw CommandFailure(.refused, "nothing is recorded of service \(service) yet: it had no requests in the last days")
        }
        let completions = records.reduce(0) { $0 + $1.completions }
        let busy = records.reduce(0) { $0 + $1.busySeconds }
        if completions > 0, busy > 0 { settings.service = busy / Double(completions) }
        var end = 0.0
        return LoadTrace(
            steps: records.compactMap { record in
                // Clocks may step back between two controllers: no two steps overlap.
                let at = max(end, record.at - first.at)
                guard record.seconds > 0 else { return nil }
                end = at + record.seconds
                return LoadTrace.Step(
                    at: at, seconds: record.seconds, requestsPerSecond: Double(record.requests) / record.seconds)
            })
    }
}
