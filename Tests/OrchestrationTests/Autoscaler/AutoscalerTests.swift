import FoundationEssentials
import Orchestration
import SidekickModel
import Testing

/// What the scaler answers in the situations an operator meets, sentences included.
struct AutoscalerTests {
    private func configuration(_ change: (inout ScalerConfiguration) -> Void = { _ in }) -> ScalerConfiguration {
        var result = ScalerConfiguration(
            minimum: 0, maximum: 10, standby: .auto, concurrency: 4, wait: 0.1, idle: 60, coldStart: 5, wake: 0.005)
        change(&result)
        return result
    }

    /// Drives the scaler second by second with a constant number of requests in flight.
    private func run(
        _ scaler: inout Autoscaler, _ configuration: ScalerConfiguration, seconds: Range<Int>, inflight: Int, rate: Int
    ) -> ScalerDecision {
        var decision = ScalerDecision(online: 0, standby: 0, reason: "", otherwise: "", inputs: [], next: 0)
        for second in seconds {
            var load = LoadSample(service: "web", seconds: 1)
            load.inflight = inflight
            load.busy = inflight
            load.averageInflight = Double(inflight)
            load.averageBusy = Double(inflight)
            load.busyTime = Double(inflight)
            load.peakInflight = inflight
            load.arrivals = rate
            load.completions = rate
            let seen = ScalerObservation(
                load: load, ready: decision.online, starting: 0, standby: decision.standby, standbyStarting: 0)
            decision = scaler.step(seen, configuration: configuration, now: Instant(nanoseconds: Int64(second) * 1_000_000_000))
        }
        return decision
    }

    @Test func `a request held at zero brings one replica online at once`() {
        let configuration = configuration()
        var scaler = Autoscaler(configuration: configuration)
        var load = LoadSample(service: "web", seconds: 0.01)
        load.inflight = 1
        load.queue = 1
        load.arrivals = 1
        load.oldestWait = 0.001
        let decision = scaler.step(
            ScalerObservation(load: load, ready: 0, starting: 0, standby: 1, standbyStarting: 0), configuration: configuration,
            now: .zero)
        #expect(decision.online == 1)
    }

    /// One step from a fresh scaler with `online` replicas.
    private func once(online: Int, _ configuration: ScalerConfiguration, _ change: (inout LoadSample) -> Void) -> ScalerDecision {
        var scaler = Autoscaler(configuration: configuration, online: online)
        var load = LoadSample(service: "web", seconds: 1)
        change(&load)
        return scaler.step(
            ScalerObservation(load: load, ready: online, starting: 0, standby: 1, standbyStarting: 0),
            configuration: configuration,
            now: Instant(nanoseconds: 100_000_000_000))
    }

    @Test func `explained: missing data`() {
        let configuration = configuration()
        var scaler = Autoscaler(configuration: configuration, online: 3)
        let decision = scaler.step(
            ScalerObservation(load: nil, ready: 3, starting: 0, standby: 0, standbyStarting: 0), configuration: configuration,
            now: .zero)
        #expect(decision.online == 3)
        #expect(decision.reason == "3 online, as before: a gateway has not reported, and missing data never lowers the count")
    }

    @Test func `explained: idle`() {
        let configuration = configuration()
        var scaler = Autoscaler(configuration: configuration, online: 1)
        _ = run(&scaler, configuration, seconds: 1..<30, inflight: 1, rate: 1)
        var decision = run(&scaler, configuration, seconds: 30..<31, inflight: 0, rate: 0)
        var second = 31
        while decision.online > 0, second < 200 {
            decision = run(&scaler, configuration, seconds: second..<second + 1, inflight: 0, rate: 0)
            second += 1
        }
        #expect(decision.online == 0)
        #expect(decision.reason == "0 online: no request for 5 s")
        #expect(decision.otherwise == "1, had a request come within 5 s")
    }

    @Test func `explained: rising`() {
        let configuration = configuration()
        var scaler = Autoscaler(configuration: configuration, online: 1)
        let decision = run(&scaler, configuration, seconds: 1..<2, inflight: 9, rate: 90)
        #expect(decision.online == 3)
        #expect(decision.reason == "3 online: 9 in flight on average at 4 per replica, more than 1 can carry without waiting")
        #expect(decision.otherwise == "1, at a lower load")
    }

    @Test func `explained: burst with hold`() {
        let decision = once(online: 2, configuration()) {
            $0.inflight = 11
            $0.busy = 8
            $0.queue = 3
            $0.oldestWait = 0.095
        }
        #expect(decision.online == 3)
        #expect(decision.reason == "3 online: 11 requests in flight at 4 per replica, and 3 wait")
        #expect(decision.otherwise == "2, had none waited longer than 75 ms")
    }

    @Test func `explained: capped`() {
        let decision = once(online: 2, configuration { $0.maximum = 2 }) {
            $0.inflight = 30
            $0.busy = 8
            $0.queue = 22
            $0.oldestWait = 0.5
        }
        #expect(decision.online == 2)
        #expect(
            decision.reason
                == "2 online, the most allowed, though the load asks for more: 8 online: 30 requests in flight at 4 per replica, "
                + "and 22 wait")
        #expect(decision.otherwise == "a higher replicas.max")
    }

    @Test func `a short wait within the budget wakes nothing, and the scaler asks to look again in time`() {
        let decision = once(online: 2, configuration()) {
            $0.inflight = 9
            $0.busy = 8
            $0.queue = 1
            $0.oldestWait = 0.02
        }
        #expect(decision.online == 2)
        #expect(decision.next < 0.08)
    }

    @Test func `memory survives being encoded: the next answers are the same`() throws {
        let configuration = configuration { $0.concurrency = nil }
        var scaler = Autoscaler(configuration: configuration, online: 1)
        _ = run(&scaler, configuration, seconds: 1..<90, inflight: 12, rate: 120)
        var restored = try JSONDecoder().decode(Autoscaler.self, from: JSONEncoder().encode(scaler))
        let expected = run(&scaler, configuration, seconds: 90..<100, inflight: 14, rate: 140)
        #expect(run(&restored, configuration, seconds: 90..<100, inflight: 14, rate: 140) == expected)
    }

    @Test func `load rises and falls, and the count follows within its bounds, down to zero after idleness`() {
        let configuration = configuration()
        var scaler = Autoscaler(configuration: configuration, online: 1)
        let busy = run(&scaler, configuration, seconds: 1..<120, inflight: 12, rate: 120)
        #expect((4...6).contains(busy.online), "\(busy)")
        let capped = run(&scaler, configuration, seconds: 120..<240, inflight: 400, rate: 4000)
        #expect(capped.online == 10)
        let idle = run(&scaler, configuration, seconds: 240..<900, inflight: 0, rate: 0)
        #expect(idle.online == 0)
        #expect(idle.standby >= 1)
    }

    @Test func `waking a standby starts no other, and one let go is a standby again`() {
        let configuration = configuration { $0.concurrency = 1 }
        var scaler = Autoscaler(configuration: configuration, online: 1, standby: 2)
        var load = LoadSample(service: "web", seconds: 0.1)
        load.inflight = 2
        load.busy = 1
        load.queue = 1
        load.oldestWait = 0.09
        load.arrivals = 2
        let woken = scaler.step(
            ScalerObservation(load: load, ready: 1, starting: 0, standby: 2, standbyStarting: 0), configuration: configuration,
            now: .zero)
        #expect(woken.online == 2 && woken.standby == 1, "\(woken)")
        var quiet = LoadSample(service: "web", seconds: 1)
        quiet.inflight = 1
        quiet.busy = 1
        quiet.averageInflight = 0.1
        quiet.arrivals = 1
        let lowered = scaler.step(
            ScalerObservation(load: quiet, ready: 2, starting: 0, standby: 1, standbyStarting: 0), configuration: configuration,
            now: Instant(nanoseconds: 4_000_000_000))
        #expect(lowered.online == 1 && lowered.standby == 2, "\(lowered)")
    }

    @Test(arguments: [0, 2]) func `the count never leaves minimum and maximum`(minimum: Int) {
        let configuration = configuration {
            $0.minimum = minimum
            $0.maximum = 3
        }
        var scaler = Autoscaler(configuration: configuration)
        for seed in 1...20 {
            var random = SplitMix(seed: seed)
            for second in 0..<200 {
                let inflight = Int.random(in: 0...30, using: &random)
                let from = seed * 1000 + second
                let decision = run(&scaler, configuration, seconds: from..<from + 1, inflight: inflight, rate: inflight)
                #expect((minimum...3).contains(decision.online), "seed \(seed)")
                #expect(decision.standby >= 0 && decision.standby + decision.online <= 3, "seed \(seed)")
            }
        }
    }
}
