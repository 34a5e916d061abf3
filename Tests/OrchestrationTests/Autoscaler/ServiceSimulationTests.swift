import Orchestration
import ScalerTools
import SidekickModel
import Testing

/// The production scaler on the judge's model, with loads made here.
struct ServiceSimulationTests {
    private func poisson(_ rates: [(seconds: Double, rate: Double)], seed: Int) -> [Double] {
        var random = SplitMix(seed: seed)
        var arrivals: [Double] = []
        var from = 0.0
        for (seconds, rate) in rates {
            let count = Int(seconds * rate)
            arrivals += (0..<count).map { _ in from + Double.random(in: 0..<seconds, using: &random) }
            from += seconds
        }
        return arrivals.sorted()
    }

    private func simulate(
        _ rates: [(seconds: Double, rate: Double)], slots: Int, cores: Int? = nil, declared: Bool = true, seed: Int
    )
        -> (result: ServiceSimulation.Result, horizon: Double)
    {
        let arrivals = poisson(rates, seed: seed)
        var random = SplitMix(seed: seed + 1000)
        let times = arrivals.map { _ in Double.random(in: 0.02..<0.18, using: &random) }
        let horizon = rates.reduce(0) { $0 + $1.seconds }
        let configuration = ScalerConfiguration(
            minimum: 0, maximum: 100, standby: .auto, concurrency: declared ? slots : nil, wait: 0.1, idle: 60, coldStart: 5,
            wake: 0.005)
        var policy = ScalerPolicy(configuration, online: 0)
        var simulation = ServiceSimulation(
            SimulatedService(slots: slots, cores: cores, wait: 0.1, maximum: 100), arrivals: arrivals, serviceTimes: times,
            horizon: horizon)
        return (simulation.run(&policy), horizon)
    }

    @Test(arguments: 1...5) func `load from zero to many and back: few wait too long, and little is kept for nothing`(seed: Int) {
        let (result, horizon) = simulate([(60, 0), (300, 20), (300, 100), (300, 10), (240, 0)], slots: 2, seed: seed)
        #expect(result.requests == 39_000)
        // A leap to five times the load that nothing announced: a cold start long, a hundred requests a second come too early.
        #expect(Double(result.violations) < 0.02 * Double(result.requests), "seed \(seed): \(result.violations)")
        // 3,900 seconds of work on 2 slots each are 1,950 replica-seconds.
        #expect(result.onlineSeconds < 1950 * 2.2, "seed \(seed): \(result.onlineSeconds)")
        #expect(Double(result.actions) < horizon / 3, "seed \(seed): \(result.actions)")
    }

    @Test func `a request in an hour wakes one replica and pays for little more than itself`() {
        let (result, _) = simulate([(3600, 1.0 / 3600), (3600, 1.0 / 3600)], slots: 1, seed: 7)
        #expect(result.violations == 0)
        #expect(result.coldStarts == 0)
        #expect(result.onlineSeconds < 40)
    }

    @Test(arguments: 1...3) func `capacity is learnt where replicas admit more than they serve at full speed`(seed: Int) {
        let (result, _) = simulate([(1800, 100)], slots: 100, cores: 4, declared: false, seed: seed)
        #expect(Double(result.violations) < 0.05 * Double(result.requests), "seed \(seed): \(result.violations)")
        // 10 requests in flight on replicas of 4: two and a half at the least.
        #expect(result.onlineSeconds < 1800 * 10, "seed \(seed): \(result.onlineSeconds / 1800)")
    }
}
