import Orchestration
import SidekickModel
import Testing

struct OutlierTests {
    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: 0) + Milliseconds(milliseconds) }

    /// A service without limits and what its last step did.
    private struct Bench {
        var admission: ServiceAdmission
        var now: Int64 = 0
        private var next: UInt64 = 0

        init(_ count: Int32) {
            var policy = OutlierPolicy()
            policy.failures = 3
            admission = ServiceAdmission(
                service: "web", policy: AdmissionPolicy(concurrency: nil, holdDeadline: .seconds(100), holdLimit: 10),
                outliers: policy, now: OutlierTests.at(0))
            set(Array(0..<count))
        }

        mutating func set(_ targets: [Int32]) {
            _ = step(
                .endpoints(targets.map { AdmissionEndpoint(replica: ReplicaID(Int64($0)), target: $0, draining: false) }))
        }

        mutating func step(_ event: AdmissionEvent) -> [AdmissionAction] {
            var actions: [AdmissionAction] = []
            admission.step(event, now: OutlierTests.at(now), into: &actions)
            return actions
        }

        /// One request, which fails where `bad` says so; where it went and for how long that was ejected by it.
        mutating func request(bad: Set<Int32>) -> (target: Int32, ejected: Milliseconds?) {
            next += 1
            for case .forward(_, let ref, let target) in step(.arrived(RequestID(next))) {
                for case .notifyEjected(_, let span) in step(.finished(ref, failed: bad.contains(target))) {
                    return (target, span)
                }
                return (target, nil)
            }
            return (-1, nil)
        }

        var ejected: Int { admission.endpointLoads(now: OutlierTests.at(now)).count(where: \.ejected) }
    }

    @Test func `a replica that keeps failing is left out for longer each time, and forgiven after a good while`() {
        var bench = Bench(3)
        var spans: [Int64] = []
        for _ in 0..<5 {
            while true {
                let (_, span) = bench.request(bad: [1])
                if let span {
                    spans.append(span.count)
                    break
                }
            }
            for _ in 0..<30 { #expect(bench.request(bad: [1]).target != 1) }
            bench.now += spans[spans.count - 1]
        }
        #expect(spans == [5000, 10_000, 20_000, 40_000, 80_000])
        // Well for as long as it was out.
        bench.now += 80_000
        for _ in 0..<3 { _ = bench.request(bad: []) }
        var span: Milliseconds?
        while span == nil { span = bench.request(bad: [1]).ejected }
        #expect(span == .seconds(5))
    }

    @Test func `one success between failures keeps a replica in`() {
        var bench = Bench(2)
        for round in 0..<100 {
            #expect(bench.request(bad: round % 6 < 4 ? [1] : []).ejected == nil)
        }
    }

    @Test(arguments: 1...8) func `never more than half are left out, however many fail, and also when some go`(count: Int32) {
        var bench = Bench(count)
        for _ in 0..<200 {
            #expect(bench.request(bad: Set(0..<count)).target >= 0)
            #expect(bench.ejected * 2 <= Int(count))
        }
        #expect(bench.ejected == Int(count) / 2)
        for left in (1...count).reversed() {
            bench.set(Array(0..<left))
            #expect(bench.ejected * 2 <= Int(left))
        }
    }
}
