import SidekickModel

/// What is remembered of a service's load: averages over the last minute or so, and how fast demand has been seen to rise.
struct DemandMemory: Sendable, Codable, Hashable {
    /// Seconds over which the load is averaged.
    static let window = 60.0
    /// Seconds over which the mean service time is averaged.
    static let serviceWindow = 600.0
    /// Seconds after which a rise seen counts about a third as much.
    static let riseMemory = 7200.0

    private var weight = 0.0
    private var inflightSum = 0.0
    private var arrivalSum = 0.0
    private var busySum = 0.0
    private var completionSum = 0.0
    /// Requests in flight at most, per second, for the last few seconds; the newest last.
    private var recentPeaks: [Double] = []
    private var recentOnline: [Int] = []
    private var secondsInBucket = 0.0
    private var bucketPeak = 0.0
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

    mutating func take(_ load: LoadSample, online: Int, capacity: Int, coldStart: Double, now: Instant) {
        let seconds = max(load.seconds, 0)
        let fade = Queueing.exponential(-seconds / Self.window)
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
        note(peak: Double(max(load.peakInflight, load.inflight)), seconds, online, capacity, coldStart)
    }

    private mutating func note(peak: Double, _ seconds: Double, _ online: Int, _ capacity: Int, _ coldStart: Double) {
        rise *= Queueing.exponential(-seconds / Self.riseMemory)
        bucketPeak = max(bucketPeak, peak)
        let earlier = recentOnline.first ?? online
        let needed = (bucketPeak / Double(capacity)).rounded(.up)
        rise = max(rise, needed - Double(earlier))
        secondsInBucket += seconds
        guard secondsInBucket >= 1 else { return }
        secondsInBucket = 0
        bucketPeak = 0
        recentOnline.append(online)
        let kept = max(2, min(60, Int(coldStart.rounded(.up)) + 1))
        if recentOnline.count > kept { recentOnline.removeFirst(recentOnline.count - kept) }
    }
}
