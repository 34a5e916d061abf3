import SidekickModel

/// What is remembered of a service's load: averages over the last minute or so, and how fast demand has been seen to rise.
struct DemandMemory: Sendable, Codable, Hashable {
    /// Seconds over which the mean service time is averaged.
    static let serviceWindow = 600.0

    private var weight = 0.0
    private var inflightSum = 0.0
    private var arrivalSum = 0.0
    private var busySum = 0.0
    private var completionSum = 0.0
    /// Requests in flight, averaged over about a cold start.
    private var recent = 0.0
    private(set) var lastBusy: Instant?

    init() {}

    /// Requests in flight, averaged.
    var load: Double { weight > 0 ? inflightSum / weight : 0 }
    /// The higher of what is in flight on average and on average lately.
    var highLoad: Double { max(load, recent) }
    /// Requests per second, averaged.
    var rate: Double { weight > 0 ? arrivalSum / weight : 0 }
    /// Mean service time in seconds; 0 while none was seen.
    var service: Double { completionSum > 0 ? busySum / completionSum : 0 }

    mutating func take(_ load: LoadSample, coldStart: Double, _ tuning: ScalerTuning, now: Instant) {
        let seconds = max(load.seconds, 0)
        let fade = Queueing.exponential(-seconds / tuning.window)
        weight = weight * fade + seconds
        inflightSum = inflightSum * fade + load.averageInflight * seconds
        arrivalSum = arrivalSum * fade + Double(load.arrivals)
        let slowFade = Queueing.exponential(-seconds / Self.serviceWindow)
        // The last service times seen stay what is known of them for as long as nothing is served.
        if load.completions > 0 || load.busyTime > 0 {
            busySum = busySum * slowFade + load.busyTime
            completionSum = completionSum * slowFade + Double(load.completions)
        }
        if load.inflight > 0 || load.arrivals > 0 || lastBusy == nil { lastBusy = now }
        let recentFade = Queueing.exponential(-seconds / max(coldStart, 1))
        recent = recent * recentFade + load.averageInflight * (1 - recentFade)
    }
}
