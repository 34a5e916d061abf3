/// What all gateways together measured of one service in some ten seconds, kept so that the load can be replayed.
package struct LoadRecord: Hashable, Sendable, Codable {
    /// Wall clock at its start.
    package var at: Instant
    /// Seconds it covers.
    package var seconds: Double
    /// Requests that arrived.
    package var requests: Int
    package var completions: Int
    /// Sum over replicas of request-seconds served.
    package var busySeconds: Double
    package var peakInflight: Int

    package init(at: Instant, seconds: Double, requests: Int, completions: Int, busySeconds: Double, peakInflight: Int) {
        self.at = at
        self.seconds = seconds
        self.requests = requests
        self.completions = completions
        self.busySeconds = busySeconds
        self.peakInflight = peakInflight
    }
}
