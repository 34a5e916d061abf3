import SidekickModel

/// How far demand has been seen to rise above its average within a cold start: the requests of the last hour or so, sorted by the
/// rise they came with. What is kept ready for the next rise follows from it.
struct BurstMemory: Sendable, Codable, Hashable {
    /// Requests, fading with time, by the replicas that were needed at once beyond the average of a cold start earlier.
    private var requests: [Double] = []
    /// The bucket being filled: one cold start long.
    private var seconds = 0.0
    private var arrivals = 0
    private var peak = 0
    private var base = 0.0

    /// Rises are sorted to a quarter of a replica.
    private static let perReplica = 4.0
    private static let mostSorts = 4000

    /// The rise in replicas that all but `share` of the requests came with at most.
    func rise(share: Double) -> Double {
        var beyond = requests.reduce(0, +) * share
        var count = requests.count
        while count > 0, requests[count - 1] <= beyond {
            count -= 1
            beyond -= requests[count]
        }
        return Double(max(0, count - 2)) / Self.perReplica
    }

    /// - Parameters:
    ///   - needed: replicas needed at once since the previous call.
    ///   - base: replicas the average load fills now.
    mutating func take(needed: Int, arrivals: Int, seconds: Double, base: Double, coldStart: Double, _ tuning: ScalerTuning) {
        self.seconds += seconds
        self.arrivals += arrivals
        peak = max(peak, needed)
        let bucket = min(max(coldStart, 1), 60)
        guard self.seconds >= bucket else { return }
        let fade = Queueing.exponential(-self.seconds / tuning.burstMemory)
        for index in requests.indices { requests[index] *= fade }
        if self.arrivals > 0 {
            let rise = min(max(0, Int(((Double(peak) - self.base) * Self.perReplica).rounded(.up))), Self.mostSorts - 1)
            while requests.count <= rise { requests.append(0) }
            requests[rise] += Double(self.arrivals)
        }
        (self.seconds, self.arrivals, peak) = (0, 0, 0)
        self.base = base
    }
}
