import SidekickModel

/// As many replicas as the highest load needs, all the time.
package struct FixedPolicy: ScalingPolicy {
    package let name = "fixed-peak"
    package let firstAfter = 3600.0
    package let wakes = PolicyWake.never
    package var startsWith: (online: Int, standby: Int) { (count, 0) }
    private let count: Int

    package init(count: Int) { self.count = count }

    package mutating func decide(_ observation: ScalerInput, at time: Double) -> PolicyAnswer {
        PolicyAnswer(online: count, next: 3600)
    }
}
