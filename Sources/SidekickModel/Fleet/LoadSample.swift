/// What one gateway measured of one service since its previous sample. The fields are those the autoscaler judge sends, so
/// that the judged code is the code that runs.
package struct LoadSample: Hashable, Sendable, Codable {
    package var service: String
    /// Seconds this sample covers.
    package var seconds: Double
    /// Open requests now, held ones included.
    package var inflight: Int
    /// Requests being served by a replica now.
    package var busy: Int
    /// Requests held now.
    package var queue: Int
    /// How long the oldest held request has waited, in seconds.
    package var oldestWait: Double
    /// Time averages over the sample.
    package var averageInflight: Double
    package var averageBusy: Double
    /// Sum over replicas of request-seconds served in the sample.
    package var busyTime: Double
    package var peakInflight: Int
    package var arrivals: Int
    package var completions: Int
    /// Requests the gateway had to answer itself with 5xx (no replica, deadline, broken upstream).
    package var failures: Int

    package init(service: String, seconds: Double) {
        self.service = service
        self.seconds = seconds
        inflight = 0
        busy = 0
        queue = 0
        oldestWait = 0
        averageInflight = 0
        averageBusy = 0
        busyTime = 0
        peakInflight = 0
        arrivals = 0
        completions = 0
        failures = 0
    }
}
