/// What came of a load. Codable, so that it can be kept as JSON and summed up later.
package struct LoadReport: Sendable, Codable {
    /// How the run's requests are named in their id header: this, a dash and a number.
    package var run: String
    /// Length of the run in seconds, to the last answer.
    package var seconds: Double
    package var phases: [PhaseReport]
    /// All phases together.
    package var total: PhaseReport
    /// How late the generator itself was in handing a due request to a connection, milliseconds: when this is not far below the
    /// latencies, the generator was the bottleneck.
    package var lag: LatencySummary
    package var connectionsOpened: Int
    /// Idle connections found closed by the server before a byte was written; their requests went out on another connection.
    package var staleConnections: Int
    /// The first thousand failed requests, as their ledger lines.
    package var failures: [String]
    package var timeline: [LoadSecond]
    /// Every request, when the plan asked for it; not part of the JSON.
    package var records: [RequestRecord] = []

    private enum CodingKeys: String, CodingKey {
        case run, seconds, phases, total, lag, connectionsOpened, staleConnections, failures, timeline
    }
}

/// Requests that were due in one phase.
package struct PhaseReport: Hashable, Sendable, Codable {
    package var name: String
    /// Requests that were due. Each ends up in `answered` or in `failed`.
    package var sent: Int
    /// Complete 2xx or 3xx answers.
    package var answered: Int
    package var failed: Int
    /// Answered requests, from when they were due to the end of the answer.
    package var latency: LatencySummary
    /// Complete answers of any status, by status.
    package var byStatus: [String: Int]
    /// Answered requests by the version their body named.
    package var byVersion: [String: Int]
    /// Failed requests by kind: `status`, `refused`, `reset`, `timeout`, `badResponse`.
    package var failuresByKind: [String: Int]
    /// Length of the phase in seconds, as planned.
    package var seconds: Double
}

/// Milliseconds.
package struct LatencySummary: Hashable, Sendable, Codable {
    package var count: Int
    package var mean: Double
    package var p50: Double
    package var p90: Double
    package var p99: Double
    package var p999: Double
    package var max: Double
}

/// One second of a running load.
package struct LoadSecond: Hashable, Sendable, Codable {
    /// From 1.
    package var second: Int
    /// The phase at its end.
    package var phase: String
    /// Requests that came due, were answered and failed in this second.
    package var sent: Int
    package var answered: Int
    package var failed: Int
    /// Requests open at its end, those waiting for a connection included.
    package var inflight: Int
    package var connections: Int
    package var latency: LatencySummary
    package var byVersion: [String: Int]
}
