import SidekickModel

/// When each request of an open-loop load is due: request k at the moment by which the rates, summed over time, have called for k
/// requests. Nothing here depends on how the target answers, which is what keeps the load open.
struct LoadSchedule {
    struct Due: Hashable {
        /// Index into the phases.
        var phase: Int
        /// Nanoseconds since the run began.
        var offset: Int64
    }

    private let phases: [LoadPhase]
    private var phase = 0
    private var phaseStart = 0.0
    /// Volume of all phases before `phase`.
    private var volumeBefore = 0.0
    private var number = 0.0

    init(_ phases: [LoadPhase]) { self.phases = phases }

    /// Where each phase begins, and the end of the last, in nanoseconds since the run began.
    static func boundaries(_ phases: [LoadPhase]) -> [Int64] {
        phases.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.duration.nanoseconds) }
    }

    /// The next request, nil after the last.
    mutating func next() -> Due? {
        while phase < phases.count {
            let current = phases[phase]
            let wanted = number - volumeBefore
            // A request due at the very end of a phase belongs to the next one, or to nobody.
            if wanted < current.volume - 1e-9 {
                number += 1
                let seconds = phaseStart + Self.time(of: max(0, wanted), in: current)
                return Due(phase: phase, offset: Int64(seconds * 1e9))
            }
            volumeBefore += current.volume
            phaseStart += current.seconds
            phase += 1
        }
        return nil
    }

    /// The time t at which a·t + (b-a)·t²/(2·d) is `volume`, for rates a to b over d seconds, in the form that loses no digits when
    /// a and b are close. From 0 to 800 a second over 10 s: 1000 requests are called for after 2000/(0+√(2·80·1000)) = 5 s.
    private static func time(of volume: Double, in phase: LoadPhase) -> Double {
        guard volume > 0 else { return 0 }
        let a = phase.startRate
        let slope = (phase.endRate - a) / phase.seconds
        let root = max(0, a * a + 2 * slope * volume).squareRoot()
        return min(phase.seconds, 2 * volume / (a + root))
    }
}
