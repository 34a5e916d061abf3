package import Orchestration
import SidekickModel

/// The production scaler as a policy of the simulation.
package struct ScalerPolicy: ScalingPolicy {
    package let name = "sidekick"
    package let firstAfter = 1.0
    package let wakes = PolicyWake.onQueue
    package let startsWith: (online: Int, standby: Int)
    private let configuration: ScalerConfiguration
    private let tuning: ScalerTuning
    private var scaler: Autoscaler

    package init(_ configuration: ScalerConfiguration, online: Int, tuning: ScalerTuning = ScalerTuning()) {
        self.configuration = configuration
        self.tuning = tuning
        startsWith = (online, max(1, online))
        scaler = Autoscaler(configuration: configuration, online: online, standby: max(1, online))
    }

    package mutating func decide(_ input: ScalerInput, at time: Double) -> PolicyAnswer {
        let observation = ScalerObservation(
            load: input.load, ready: input.ready, starting: input.starting, standby: input.standby,
            standbyStarting: input.standbyStarting)
        let decision = scaler.step(
            observation, configuration: configuration, now: Instant(nanoseconds: Int64(time * 1e9)), tuning: tuning)
        return PolicyAnswer(
            online: decision.online, standby: decision.standby, next: decision.next, reason: decision.reason)
    }
}
