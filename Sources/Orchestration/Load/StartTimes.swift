package import SidekickModel

/// How long replicas of one service lately took to become ready: the median of the newest few, apart for starts from nothing and for
/// wakes of a standby.
package struct StartTimes: Hashable, Sendable, Codable {
    /// Seconds assumed while none was measured.
    package static let assumedCold = 2.0
    package static let assumedWake = 0.5
    private static let kept = 9

    private var cold: [Double] = []
    private var wake: [Double] = []

    package init() {}

    package var coldSeconds: Double { Self.median(cold) ?? max(Self.assumedCold, wakeSeconds) }
    package var wakeSeconds: Double { Self.median(wake) ?? Self.assumedWake }

    package mutating func note(_ took: Milliseconds, fromStandby: Bool) {
        let seconds = max(Double(took.count) / 1000, 0.001)
        if fromStandby {
            wake = Array((wake + [seconds]).suffix(Self.kept))
        } else {
            cold = Array((cold + [seconds]).suffix(Self.kept))
        }
    }

    private static func median(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.sorted()[values.count / 2]
    }
}
