import Testing

@testable import Orchestration

struct QueueingTests {
    /// Erlang C from published tables (offered load, slots, share that waits).
    @Test(arguments: [(0.5, 1, 0.5), (1.0, 2, 1.0 / 3), (2.0, 3, 0.4444), (8.0, 10, 0.4092), (20.0, 20, 1.0)])
    func `the share of waiting requests is Erlang's`(load: Double, slots: Int, share: Double) {
        #expect(abs(Queueing.shareWaiting(slots: slots, load: load, service: 1, wait: 0) - share) < 1e-3)
    }

    @Test func `no load waits, and a longer budget is outwaited less often`() {
        #expect(Queueing.shareWaiting(slots: 1, load: 0, service: 1, wait: 0) == 0)
        let shares = [0, 0.1, 0.5, 2].map { Queueing.shareWaiting(slots: 4, load: 3, service: 0.5, wait: $0) }
        #expect(shares == shares.sorted(by: >))
    }

    @Test(arguments: [(-1.0, 0.36787944117144233), (0.0, 1.0), (1.0, 2.718281828459045), (-20.0, 2.061153622438558e-9)])
    func `the exponential is right`(x: Double, value: Double) {
        #expect(abs(Queueing.exponential(x) / value - 1) < 1e-11)
    }

    @Test func `Poisson bounds`() {
        #expect(Queueing.poissonBound(mean: 0, probability: 0.01) == 0)
        #expect(Queueing.poissonBound(mean: 1, probability: 0.01) == 4)
        #expect(Queueing.poissonBound(mean: 10, probability: 0.001) == 21)
        #expect(Queueing.poissonBound(mean: 1000, probability: 0.001) > 1090)
    }
}
