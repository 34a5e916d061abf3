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
    /// What was online in the seconds of the last cold start, the newest last.
    private var recentOnline: [Int] = []
    private var secondsInBucket = 0.0
    private var inflightInBucket = 0.0
    /// Replicas by which demand exceeded what was online a cold start earlier; fades with `riseMemory`.
    private(set) var rise = 0.0
    private(set) var lastBusy: Instant?

    init() {}

    /// Requests in flight, averaged.
    var load: Double { weight > 0 ? inflightSum / weight : 0 }
    /// Requests per second, averaged.
    var rate: Double { weight > 0 ? arrivalSum / weight : 0 }
    /// Mean service time in seconds; 0 while none was seen.
    var service: Double { completionSum > 0 ? busySum / completionSum : 0 }

    mutating func take(_ load: LoadSample, online: Int, capacity: Int, coldStart: Double, _ tuning: ScalerTuning, now: Instant) {
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
        note(inflight: load.averageInflight, seconds, online, capacity, coldStart, tuning)
    }

    private mutating func note(
        inflight: Double, _ seconds: Double, _ online: Int, _ capacity: Int, _ coldStart: Double, _ tuning: ScalerTuning
    ) {
        rise *= Queueing.exponential(-seconds / tuning.riseMemory)
        secondsInBucket += seconds
        inflightInBucket += inflight * seconds
        guard secondsInBucket >= 1 else { return }
        let needed = inflightInBucket / secondsInBucket / Double(capacity)
        rise = max(rise, needed.rounded(.up) - Double(recentOnline.first ?? online))
        secondsInBucket = 0
        inflightInBucket = 0
        recentOnline.append(online)
        let kept = max(2, min(60, Int(coldStart.rounded(.up)) + 1))
        if recentOnline.count > kept { recentOnline.removeFirst(recentOnline.count - kept) }
    }
}
