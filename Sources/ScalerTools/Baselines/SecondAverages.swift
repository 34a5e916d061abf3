import SidekickModel

/// Cuts what happened between a policy's calls into seconds, as the collectors of the systems imitated do.
struct SecondAverages {
    /// Averages of complete seconds since `take`.
    private var complete: [(inflight: Double, arrivals: Double)] = []
    private var seconds = 0.0
    private var inflight = 0.0
    private var arrivals = 0.0

    /// A call that covers more than a second is spread evenly over it.
    mutating func add(_ observation: ScalerInput) {
        let load = observation.load
        var left = load.seconds
        let perSecond = left > 0 ? Double(load.arrivals) / left : 0
        while left > 1e-9 {
            let part = min(left, 1 - seconds)
            seconds += part
            inflight += load.averageInflight * part
            arrivals += perSecond * part
            left -= part
            if seconds > 1 - 1e-9 {
                complete.append((inflight, arrivals))
                (seconds, inflight, arrivals) = (0, 0, 0)
            }
        }
    }

    mutating func take() -> [(inflight: Double, arrivals: Double)] {
        defer { complete = [] }
        return complete
    }
}
