import Orchestration
import SidekickModel
import Testing

@Suite struct LoadTests {
    private let start = Instant(nanoseconds: 0)

    private func sample(inflight: Int, queue: Int = 0, arrivals: Int = 0, seconds: Double = 1) -> LoadSample {
        var sample = LoadSample(service: "web", seconds: seconds)
        sample.inflight = inflight
        sample.queue = queue
        sample.arrivals = arrivals
        sample.averageInflight = Double(inflight)
        sample.peakInflight = inflight
        sample.oldestWait = Double(queue) / 10
        return sample
    }

    @Test func `samples add up over gateways, counts over time, averages by time`() {
        var window = LoadWindow()
        window.add(sample(inflight: 2, arrivals: 10), from: "a", at: start)
        window.add(sample(inflight: 6, queue: 1, arrivals: 20, seconds: 3), from: "a", at: start + .seconds(3))
        window.add(sample(inflight: 1, queue: 3, arrivals: 5), from: "b", at: start + .seconds(3))
        #expect(window.queue == 4)
        let (sum, complete) = window.take(service: "web", expected: ["a", "b"], now: start + .seconds(3))
        #expect(complete)
        #expect(sum.inflight == 7)
        #expect(sum.queue == 4)
        #expect(sum.arrivals == 35)
        #expect(sum.oldestWait == 0.3)
        // Two for one second and six for three at a, one at b.
        #expect(sum.averageInflight == 6)
        #expect(sum.peakInflight == 7)
        #expect(sum.seconds == 4)
        #expect(!window.isFresh)
        let again = window.take(service: "web", expected: ["a", "b"], now: start + .seconds(3))
        #expect(again.sample.arrivals == 0)
        #expect(again.sample.inflight == 7)
        #expect(again.sample.averageInflight == 7)
    }

    @Test func `a gateway that never reported or fell silent makes the sum incomplete`() {
        var window = LoadWindow()
        window.add(sample(inflight: 2), from: "a", at: start)
        #expect(!window.take(service: "web", expected: ["a", "b"], now: start).complete)
        window.add(sample(inflight: 2), from: "b", at: start + .seconds(5))
        #expect(!window.take(service: "web", expected: ["a", "b"], now: start + .seconds(5)).complete)
        #expect(window.take(service: "web", expected: ["b"], now: start + .seconds(5)).complete)
    }

    @Test func `with a gateway missing, counts rise but never fall`() {
        var record = ServiceRecord(name: "web", revision: 1, createdAt: start)
        record.desiredOnline = 3
        let view = ServiceView(record: record, revisions: [:], rollout: nil, replicas: [])
        let configuration = ScalerConfiguration(
            minimum: 0, maximum: 20, standby: .count(0), concurrency: 1, wait: 0.1, idle: 1, coldStart: 1, wake: 0.1)
        func outcome(_ load: LoadSample, complete: Bool, at seconds: Int64) -> ScalerTurn.Outcome {
            var scaler = Autoscaler(configuration: configuration, online: 3)
            var last = ScalerTurn.Outcome(online: 3, standby: 0, decision: nil, next: 0)
            for second in 0...seconds {
                last = ScalerTurn.take(
                    &scaler, service: view, load: load, complete: complete, lost: [], configuration: configuration,
                    now: start + .seconds(second))
            }
            return last
        }
        #expect(outcome(sample(inflight: 0), complete: false, at: 600).online == 3)
        #expect(outcome(sample(inflight: 0), complete: true, at: 600).online == 0)
        #expect(outcome(sample(inflight: 9, queue: 6), complete: false, at: 5).online > 3)
    }

    @Test func `an operator's count stays whatever the load`() {
        var record = ServiceRecord(name: "web", revision: 1, createdAt: start)
        record.desiredOnline = 2
        record.manualOnline = 2
        let view = ServiceView(record: record, revisions: [:], rollout: nil, replicas: [])
        let configuration = ScalerConfiguration(
            minimum: 0, maximum: 20, standby: .count(0), concurrency: 1, wait: 0.1, idle: 1, coldStart: 1, wake: 0.1)
        var scaler = Autoscaler(configuration: configuration, online: 2)
        let outcome = ScalerTurn.take(
            &scaler, service: view, load: sample(inflight: 15, queue: 13), complete: true, lost: [], configuration: configuration,
            now: start)
        #expect(outcome.online == 2)
        #expect(outcome.decision == nil)
    }

    @Test func `start times are medians of the newest few, cold and woken apart`() {
        var times = StartTimes()
        #expect(times.coldSeconds == StartTimes.assumedCold)
        for seconds: Int64 in [1, 9, 3] { times.note(.seconds(seconds), fromStandby: false) }
        times.note(Milliseconds(5), fromStandby: true)
        #expect(times.coldSeconds == 3)
        #expect(times.wakeSeconds == 0.005)
        for _ in 0..<20 { times.note(.seconds(2), fromStandby: false) }
        #expect(times.coldSeconds == 2)
    }
}
