import SidekickModel

/// As Kubernetes' HorizontalPodAutoscaler scales by requests per second and pod, with its defaults: every 15 s, a tolerance of 10%, at most
/// doubling (or 4 more) in 15 s, and the highest proposal of the last 300 s when scaling down. Never below one; no standbys.
///
/// Source: kubernetes, pkg/controller/podautoscaler/horizontal.go and replica_calculator.go.
package struct HorizontalPolicy: ScalingPolicy {
    package let name = "hpa"
    package let firstAfter = 15.0
    package let wakes = PolicyWake.never
    package let startsWith: (online: Int, standby: Int)
    private let target: Double
    private var averages = SecondAverages()
    private var arrivals: [Double] = []
    private var proposals: [(time: Double, count: Int)]
    private var raises: [(time: Double, by: Int)] = []

    private static let stabilization = 300.0
    private static let raiseWindow = 15.0

    /// - Parameters:
    ///   - concurrency: requests one pod serves at once.
    ///   - service: mean service time in seconds; the target is 70% of what a pod can do.
    package init(concurrency: Int, service: Double, online: Int) {
        target = 0.7 * Double(concurrency) / max(service, 1e-6)
        startsWith = (max(1, online), 0)
        proposals = [(0, max(1, online))]
    }

    package mutating func decide(_ observation: ScalerInput, at time: Double) -> PolicyAnswer {
        averages.add(observation)
        arrivals = Array((arrivals + averages.take().map(\.arrivals)).suffix(60))
        let current = max(1, observation.ready + observation.starting)
        let rate = arrivals.isEmpty ? 0 : arrivals.reduce(0, +) / Double(arrivals.count)
        let ratio = rate / (target * Double(current))
        var wanted = abs(1 - ratio) > 0.1 ? max(1, Int((rate / target - 1e-9).rounded(.up))) : current
        proposals.removeAll { $0.time < time - Self.stabilization }
        let proposed = wanted
        if wanted < current { wanted = min(current, max(wanted, proposals.map(\.count).max() ?? wanted)) }
        proposals.append((time, proposed))
        if wanted > current {
            raises.removeAll { $0.time <= time - Self.raiseWindow }
            let base = current - raises.reduce(0) { $0 + $1.by }
            wanted = max(current, min(wanted, max(base + 4, base * 2)))
            if wanted > current { raises.append((time, wanted - current)) }
        }
        return PolicyAnswer(online: wanted, next: 15)
    }
}
