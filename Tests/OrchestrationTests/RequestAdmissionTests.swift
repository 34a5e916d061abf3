import Orchestration
import SidekickModel
import Testing

struct RequestAdmissionTests {
    private static let start = Instant(nanoseconds: 0)
    private static func at(_ milliseconds: Int64) -> Instant { start + Milliseconds(milliseconds) }

    /// One service and the actions of its last step.
    private struct Bench {
        var admission: ServiceAdmission
        var actions: [AdmissionAction] = []

        init(concurrency: Int? = 1, deadline: Int64 = 100, limit: Int = 10) {
            admission = ServiceAdmission(
                service: "web",
                policy: AdmissionPolicy(concurrency: concurrency, holdDeadline: Milliseconds(deadline), holdLimit: limit),
                now: start)
        }

        @discardableResult
        mutating func step(_ event: AdmissionEvent, at milliseconds: Int64) -> [AdmissionAction] {
            actions = []
            admission.step(event, now: RequestAdmissionTests.at(milliseconds), into: &actions)
            return actions
        }

        var forwarded: [UInt64] { actions.compactMap { if case .forward(let id, _, _) = $0 { id.number } else { nil } } }
        var refs: [EndpointRef] { actions.compactMap { if case .forward(_, let ref, _) = $0 { ref } else { nil } } }
        var targets: [Int32] { actions.compactMap { if case .forward(_, _, let target) = $0 { target } else { nil } } }
    }

    private static func endpoint(_ number: Int32, draining: Bool = false) -> AdmissionEndpoint {
        AdmissionEndpoint(replica: ReplicaID(Int64(number)), target: number, draining: draining)
    }

    @Test func `requests at zero wait, the agent is told at once, and they go in order when a replica is ready`() {
        var bench = Bench(concurrency: 2)
        #expect(bench.step(.arrived(RequestID(1)), at: 0) == [.hold(RequestID(1)), .notifyHeld])
        #expect(bench.step(.arrived(RequestID(2)), at: 1) == [.hold(RequestID(2))])
        #expect(bench.step(.arrived(RequestID(3)), at: 2) == [.hold(RequestID(3))])
        #expect(bench.admission.nextTick(now: Self.at(2)) == Self.at(10))
        #expect(bench.step(.tick, at: 10) == [.notifyHeld])
        bench.step(.endpoints([Self.endpoint(7)]), at: 20)
        #expect(bench.forwarded == [1, 2])
        let ref = bench.refs[0]
        bench.step(.finished(ref, failed: false), at: 25)
        #expect(bench.forwarded == [3])
        #expect(bench.admission.nextTick(now: Self.at(25)) == nil)
    }

    @Test func `the least loaded replica is chosen, in turn among equals`() {
        var bench = Bench(concurrency: nil)
        bench.step(.endpoints([Self.endpoint(1), Self.endpoint(2), Self.endpoint(3)]), at: 0)
        var targets: [Int32] = []
        for number in 1...6 {
            bench.step(.arrived(RequestID(UInt64(number))), at: 1)
            targets += bench.targets
        }
        #expect(targets == [1, 2, 3, 1, 2, 3])
    }

    @Test func `a request that waited to its deadline is refused, the next one not yet`() {
        var bench = Bench(deadline: 100)
        bench.step(.arrived(RequestID(1)), at: 0)
        bench.step(.arrived(RequestID(2)), at: 50)
        #expect(bench.step(.tick, at: 100).contains(.refuse(RequestID(1), .deadline)))
        #expect(bench.admission.held == 1)
        #expect(bench.admission.nextTick(now: Self.at(100)) == Self.at(150))
    }

    @Test func `beyond the hold limit a request is refused at once`() {
        var bench = Bench(limit: 1)
        bench.step(.arrived(RequestID(1)), at: 0)
        #expect(bench.step(.arrived(RequestID(2)), at: 0) == [.refuse(RequestID(2), .queueFull)])
    }

    @Test func `a draining replica gets no new request and is reported once its last one ends, and again when asked`() {
        var bench = Bench()
        bench.step(.endpoints([Self.endpoint(1)]), at: 0)
        bench.step(.arrived(RequestID(1)), at: 0)
        let ref = bench.refs[0]
        #expect(bench.step(.endpoints([Self.endpoint(1, draining: true)]), at: 1) == [])
        #expect(bench.step(.arrived(RequestID(2)), at: 2) == [.hold(RequestID(2)), .notifyHeld])
        #expect(bench.step(.finished(ref, failed: false), at: 3) == [.notifyDrained(ReplicaID(1))])
        #expect(bench.step(.reportDrained, at: 4) == [.notifyDrained(ReplicaID(1))])
    }

    @Test func `a refused connect sends the request elsewhere, tells the agent, and leaves the replica alone for a while`() {
        var bench = Bench()
        bench.step(.endpoints([Self.endpoint(1), Self.endpoint(2)]), at: 0)
        bench.step(.arrived(RequestID(1)), at: 0)
        let first = bench.refs[0]
        bench.step(.connectFailed(RequestID(1), first, arrived: Self.at(0)), at: 1)
        #expect(bench.actions.contains(.notifyUnreachable(ReplicaID(1))))
        #expect(bench.targets == [2])
        let second = bench.refs[0]
        bench.step(.connectFailed(RequestID(1), second, arrived: Self.at(0)), at: 2)
        #expect(bench.targets.isEmpty)
        #expect(bench.admission.held == 1)
        let retry = bench.admission.nextTick(now: Self.at(2))
        #expect(retry == Self.at(11) || retry == Self.at(51))
        bench.step(.tick, at: 51)
        #expect(bench.targets == [1])
    }

    @Test func `a removed service refuses who waits and who comes`() {
        var bench = Bench()
        bench.step(.arrived(RequestID(1)), at: 0)
        #expect(bench.step(.removed, at: 1) == [.refuse(RequestID(1), .serviceRemoved)])
        #expect(bench.step(.arrived(RequestID(2)), at: 2) == [.refuse(RequestID(2), .serviceRemoved)])
    }

    @Test func `a sample tells averages, peaks and waits`() {
        var bench = Bench()
        bench.step(.endpoints([Self.endpoint(1)]), at: 0)
        bench.step(.arrived(RequestID(1)), at: 0)
        let ref = bench.refs[0]
        bench.step(.arrived(RequestID(2)), at: 500)
        let now = bench.admission.currentSample(now: Self.at(600))
        #expect(now.oldestWait == 0.1)
        #expect(now.queue == 1)
        bench.step(.gone(RequestID(2)), at: 750)
        bench.step(.finished(ref, failed: false), at: 750)
        let sample = bench.admission.takeSample(now: Self.at(1000))
        #expect(sample.seconds == 1)
        #expect(sample.busyTime == 0.75)
        #expect(sample.averageBusy == 0.75)
        #expect(sample.averageInflight == 1)
        #expect(sample.peakInflight == 2)
        #expect(sample.arrivals == 2)
        #expect(sample.completions == 1)
        #expect(bench.admission.takeSample(now: Self.at(2000)).peakInflight == 0)
    }
}
