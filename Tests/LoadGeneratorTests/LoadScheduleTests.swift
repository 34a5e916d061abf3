import SidekickModel
import Testing

@testable import LoadGenerator

struct LoadScheduleTests {
    private func all(_ phases: [LoadPhase]) -> [LoadSchedule.Due] {
        var schedule = LoadSchedule(phases)
        return Array(sequence(state: ()) { _ in schedule.next() })
    }

    @Test func `a constant rate is evenly spaced`() {
        let due = all([LoadPhase(name: "a", rate: 4, duration: .seconds(2))])
        #expect(due.map(\.offset) == (0..<8).map { $0 * 250_000_000 })
    }

    @Test func `a ramp from nothing reaches a quarter of its volume at half time`() {
        let due = all([LoadPhase(name: "a", startRate: 0, endRate: 80, duration: .seconds(10))])
        #expect(due.count == 400)
        #expect(due[100].offset == 5_000_000_000)
    }

    @Test func `a falling ramp ends`() {
        let due = all([LoadPhase(name: "a", startRate: 100, endRate: 0, duration: .seconds(4))])
        #expect(due.count == 200)
        #expect((due.last?.offset ?? 0) < 4_000_000_000)
    }

    @Test(arguments: [UInt64.random(in: 0...UInt64.max), 1, 2, 3])
    func `requests are in order, in their phase, and as many as the rates call for`(seed: UInt64) {
        var state = seed
        func random(_ range: Range<Int>) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return range.lowerBound + Int(state >> 33) % range.count
        }
        for _ in 0..<50 {
            let phases = (0..<random(1..<5)).map {
                LoadPhase(
                    name: "\($0)", startRate: Double(random(0..<300)), endRate: Double(random(0..<300)),
                    duration: Milliseconds(Int64(random(1..<3000))))
            }
            let due = all(phases)
            let boundaries = LoadSchedule.boundaries(phases)
            #expect(zip(due, due.dropFirst()).allSatisfy { $0.offset <= $1.offset && $0.phase <= $1.phase }, "seed \(seed)")
            #expect(due.allSatisfy { $0.offset >= boundaries[$0.phase] && $0.offset <= boundaries[$0.phase + 1] }, "seed \(seed)")
            let volume = phases.reduce(0) { $0 + $1.volume }
            #expect(abs(Double(due.count) - volume) <= 1.000001, "seed \(seed)")
        }
    }
}

struct LoadPhaseTests {
    @Test func `phases read from text`() {
        #expect(LoadPhase(text: "rise:0-800:15s") == LoadPhase(name: "rise", startRate: 0, endRate: 800, duration: .seconds(15)))
        #expect(LoadPhase(text: "a:2.5:100ms") == LoadPhase(name: "a", rate: 2.5, duration: Milliseconds(100)))
    }

    @Test(arguments: [
        "", "a", "a:1", ":1:1s", "a:-1:1s", "a:1-:1s", "a:1-2-3:1s", "a:x:1s", "a:1:1", "a:1:1s:2", "a:nan:1s", "a:1e9:1s",
    ])
    func `anything else is no phase`(text: String) {
        #expect(LoadPhase(text: text) == nil)
    }
}

struct LoadPlanTests {
    @Test(arguments: [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080", "/"),
        ("http://localhost/a?b", "127.0.0.1:80", "localhost", "/a?b"),
        ("http://localhost:81", "127.0.0.1:81", "localhost:81", "/"), ("http://[::1]:8080?q", "[::1]:8080", "[::1]:8080", "/?q"),
    ])
    func `an address in numbers is taken`(url: String, address: String, host: String, target: String) throws {
        let plan = try LoadPlan(url: url)
        #expect("\(plan.address)" == address)
        #expect(plan.host == host)
        #expect(plan.target == target)
    }

    @Test(arguments: [
        "https://127.0.0.1/", "127.0.0.1", "http://example.com/", "http://", "http://127.0.0.1:99999/", "http://127.0.0.1/a b",
    ])
    func `names are not looked up and nonsense is refused`(url: String) {
        #expect(throws: LoadError.self) { try LoadPlan(url: url) }
    }

    @Test func `a header cannot smuggle a line`() throws {
        var plan = try LoadPlan(url: "http://127.0.0.1/")
        plan.headers = [("A", "b\r\nC: d")]
        #expect(throws: LoadError.self) { try plan.requestParts() }
    }
}

struct VersionLabelTests {
    @Test(arguments: [
        (#"{"version":"1"}"#, "1"), (#"{"service":"a","version": "2.0-rc" ,"x":1}"#, "2.0-rc"), (#"{"version":3}"#, "3"),
        (#"{}"#, nil),
        (#"{"version":"#, nil), (#"{"version":""}"#, nil), (#"{"version":"cut"#, nil),
    ])
    func `the version is found where a body names it`(body: String, expected: String?) {
        for cut in 0...body.utf8.count {
            var label = VersionLabel()
            Array(body.utf8).withUnsafeBytes {
                label.append($0[..<cut])
                label.append($0[cut...])
            }
            #expect(label.value == expected)
        }
    }
}
