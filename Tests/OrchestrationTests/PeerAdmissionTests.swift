import Orchestration
import SidekickModel
import Testing

struct PeerAdmissionTests {
    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: 0) + Milliseconds(milliseconds) }

    private struct Bench {
        var admission: ServiceAdmission
        var actions: [AdmissionAction] = []

        init(concurrency: Int? = 1, deadline: Int64 = 1000, limit: Int = 10, bytes: Int = .max) {
            admission = ServiceAdmission(
                service: "web",
                policy: AdmissionPolicy(
                    concurrency: concurrency, holdDeadline: Milliseconds(deadline), holdLimit: limit, holdBytes: bytes),
                now: Instant(nanoseconds: 0))
        }

        @discardableResult
        mutating func step(_ event: AdmissionEvent, at milliseconds: Int64 = 0) -> [AdmissionAction] {
            actions = []
            admission.step(event, now: PeerAdmissionTests.at(milliseconds), into: &actions)
            return actions
        }

        var targets: [Int32] { actions.compactMap { if case .forward(_, _, let target) = $0 { target } else { nil } } }
        var ref: EndpointRef? { actions.compactMap { if case .forward(_, let ref, _) = $0 { ref } else { nil } }.first }

        func sample(at milliseconds: Int64) -> LoadSample { admission.currentSample(now: PeerAdmissionTests.at(milliseconds)) }
    }

    private static func endpoint(_ number: Int32) -> AdmissionEndpoint {
        AdmissionEndpoint(replica: ReplicaID(Int64(number)), target: number, draining: false)
    }

    private static func peer(_ target: Int32, online: Int = 0, standby: Int = 0, near: Bool = false) -> AdmissionPeer {
        AdmissionPeer(target: target, near: near, online: online, standby: standby)
    }

    @Test func `with nothing here a request goes where a replica is online, the near one first, and then where one could be`() {
        var bench = Bench()
        let far = Self.peer(20, online: 1)
        let near = Self.peer(21, online: 1, near: true)
        bench.step(.surroundings(standby: 0, peers: [Self.peer(22, standby: 1, near: true), far, near]))
        bench.step(.arrived(RequestID(1)))
        #expect(bench.targets == [21])
        #expect(bench.ref?.isPeer == true)
        bench.step(.arrived(RequestID(2)))
        #expect(bench.targets == [20])
        bench.step(.arrived(RequestID(3)))
        #expect(bench.targets == [22])
        #expect(bench.step(.arrived(RequestID(4))) == [.hold(RequestID(4)), .notifyHeld])
    }

    @Test func `a local replica goes before peers, a peer's replica before a local standby, and a local standby before a peer's`()
    {
        var bench = Bench()
        bench.step(.endpoints([Self.endpoint(1)]))
        bench.step(.surroundings(standby: 1, peers: [Self.peer(20, online: 1), Self.peer(21, standby: 5)]))
        bench.step(.arrived(RequestID(1)))
        #expect(bench.targets == [1])
        bench.step(.arrived(RequestID(2)))
        #expect(bench.targets == [20])
        #expect(bench.step(.arrived(RequestID(3))) == [.hold(RequestID(3)), .notifyHeld])
    }

    @Test func `a dead peer is left at once for the next, and tried again with one request at a time`() throws {
        var bench = Bench(concurrency: nil)
        bench.step(.surroundings(standby: 0, peers: [Self.peer(20, online: 1, near: true), Self.peer(21, standby: 1)]))
        bench.step(.arrived(RequestID(1)))
        #expect(bench.targets == [20])
        let first = try #require(bench.ref)
        bench.step(.connectFailed(RequestID(1), first, arrived: Self.at(0)), at: 5)
        #expect(bench.targets == [21])
        bench.step(.arrived(RequestID(2)), at: 10)
        #expect(bench.targets == [21])
        bench.step(.arrived(RequestID(3)), at: 300)
        #expect(bench.targets == [20])
        let trial = try #require(bench.ref)
        bench.step(.arrived(RequestID(4)), at: 301)
        #expect(bench.targets == [21])
        bench.step(.finished(trial, failed: false), at: 310)
        bench.step(.arrived(RequestID(5)), at: 311)
        #expect(bench.targets == [20])
    }

    @Test func `with every peer dead a request waits, is tried again, and is refused at its deadline`() throws {
        var bench = Bench(deadline: 400)
        bench.step(.surroundings(standby: 0, peers: [Self.peer(20, standby: 1)]))
        bench.step(.arrived(RequestID(1)))
        let first = try #require(bench.ref)
        #expect(
            bench.step(.connectFailed(RequestID(1), first, arrived: Self.at(0)), at: 10) == [.hold(RequestID(1)), .notifyHeld])
        #expect(bench.admission.nextTick(now: Self.at(10)) == Self.at(260))
        bench.step(.tick, at: 260)
        #expect(bench.targets == [20])
        let second = try #require(bench.ref)
        bench.step(.connectFailed(RequestID(1), second, arrived: Self.at(0)), at: 300)
        #expect(bench.step(.tick, at: 400).contains(.refuse(RequestID(1), .deadline)))
    }

    @Test func `a peer without a place is asked again only a little later, and at once when it says that it has more`() throws {
        var bench = Bench()
        bench.step(.surroundings(standby: 0, peers: [Self.peer(20, online: 2)]))
        bench.step(.arrived(RequestID(1)))
        let first = try #require(bench.ref)
        #expect(bench.step(.turnedAway(RequestID(1), first, arrived: Self.at(0)), at: 1) == [.hold(RequestID(1)), .notifyHeld])
        bench.step(.surroundings(standby: 0, peers: [Self.peer(20, online: 3)]), at: 2)
        #expect(bench.targets == [20])
        let second = try #require(bench.ref)
        bench.step(.turnedAway(RequestID(1), second, arrived: Self.at(0)), at: 3)
        #expect(
            bench.admission.nextTick(now: Self.at(3)) == Self.at(11) || bench.admission.nextTick(now: Self.at(3)) == Self.at(13))
        bench.step(.tick, at: 13)
        #expect(bench.targets == [20])
    }

    @Test func `a request from a peer is served here, waits for a standby, or goes back; it never goes to a third`() throws {
        var bench = Bench()
        let visitor = { RequestID($0, isForwarded: true) }
        bench.step(.surroundings(standby: 0, peers: [Self.peer(20, online: 5)]))
        #expect(bench.step(.visited(visitor(1), since: Self.at(0))) == [.refuse(visitor(1), .noPlace)])
        #expect(bench.sample(at: 0).arrivals == 0 && bench.sample(at: 0).failures == 0)
        bench.step(.surroundings(standby: 1, peers: [Self.peer(20, online: 5)]))
        #expect(bench.step(.visited(visitor(2), since: Self.at(0))) == [.hold(visitor(2)), .notifyHeld])
        bench.step(.endpoints([Self.endpoint(1)]), at: 5)
        #expect(bench.targets == [1])
        bench.step(.visited(visitor(3), since: Self.at(0)), at: 6)
        let last = bench.step(.surroundings(standby: 0, peers: []), at: 7)
        #expect(last == [], "a replica serves: the request waits for it")
        #expect(bench.step(.endpoints([]), at: 8) == [.refuse(visitor(3), .noPlace)])
    }

    @Test func `how long a request waited elsewhere counts towards its deadline`() {
        var bench = Bench(deadline: 100)
        bench.step(.surroundings(standby: 1, peers: []), at: 1000)
        bench.step(.visited(RequestID(1, isForwarded: true), since: Self.at(920)), at: 1000)
        #expect(bench.admission.nextTick(now: Self.at(1000)) == Self.at(1020))
        #expect(bench.step(.tick, at: 1020).contains(.refuse(RequestID(1, isForwarded: true), .deadline)))
    }

    @Test func `what a peer serves is measured there only, what waits here is measured here`() throws {
        var bench = Bench()
        bench.step(.surroundings(standby: 0, peers: [Self.peer(20, online: 1)]))
        bench.step(.arrived(RequestID(1)))
        let ref = try #require(bench.ref)
        #expect(bench.sample(at: 0).inflight == 0 && bench.sample(at: 0).arrivals == 0)
        bench.step(.arrived(RequestID(2)))
        #expect(bench.sample(at: 0).inflight == 1 && bench.sample(at: 0).queue == 1)
        bench.step(.finished(ref, failed: false), at: 50)
        #expect(bench.targets == [20])
        let sample = bench.admission.takeSample(now: Self.at(100))
        #expect(sample.inflight == 0 && sample.arrivals == 0 && sample.busyTime == 0)
        #expect(abs(sample.averageInflight - 0.5) < 1e-9)
    }

    @Test func `held requests are bounded in memory too, and what leaves makes room`() {
        var bench = Bench(limit: 10, bytes: 1000)
        bench.step(.arrived(RequestID(1), bytes: 600))
        #expect(bench.step(.arrived(RequestID(2), bytes: 500)) == [.refuse(RequestID(2), .queueFull)])
        #expect(bench.step(.arrived(RequestID(3), bytes: 400)) == [.hold(RequestID(3))])
        bench.step(.gone(RequestID(1)))
        #expect(bench.step(.arrived(RequestID(4), bytes: 600)) == [.hold(RequestID(4))])
    }

    @Test func `a replica drained before it was ready again is reported by the number of its order`() {
        var bench = Bench()
        let draining = { AdmissionEndpoint(replica: ReplicaID(1), target: 1, draining: true, number: $0) }
        #expect(bench.step(.endpoints([draining(5)])) == [.notifyDrained(ReplicaID(1), number: 5)])
        #expect(bench.step(.endpoints([draining(5)])) == [])
        #expect(bench.step(.endpoints([draining(7)])) == [.notifyDrained(ReplicaID(1), number: 7)])
    }

    /// Follows every request through whatever happens: each is at one place at a time and none is lost.
    @Test(arguments: 1...40 as ClosedRange<UInt64>) func `no request is lost between hosts`(seed: UInt64) {
        var random = SplitMix(state: seed)
        var bench = Bench(concurrency: [1, 2, nil][Int(seed % 3)], deadline: 300)
        var clock: Int64 = 0
        var flights: [(id: RequestID, ref: EndpointRef, arrived: Instant)] = []
        var held: [RequestID: Instant] = [:]
        var open = 0
        var next: UInt64 = 0
        var broken: [String] = []
        for _ in 0..<400 {
            clock += Int64(random.below(8))
            let now = Self.at(clock)
            var pending: RequestID?
            var event = AdmissionEvent.tick
            switch random.below(10) {
            case 0...2:
                next += 1
                let id = RequestID(next, isForwarded: random.below(3) == 0)
                pending = id
                open += 1
                held[id] = now
                event = id.isForwarded ? .visited(id, since: now) : .arrived(id)
            case 3...5 where !flights.isEmpty:
                let flight = flights.remove(at: random.below(flights.count))
                switch random.below(4) {
                case 0:
                    held[flight.id] = flight.arrived
                    event = .connectFailed(flight.id, flight.ref, arrived: flight.arrived)
                case 1 where flight.ref.isPeer:
                    held[flight.id] = flight.arrived
                    event = .turnedAway(flight.id, flight.ref, arrived: flight.arrived)
                default:
                    open -= 1
                    event = .finished(flight.ref, failed: random.below(5) == 0)
                }
            case 6:
                let count = Int32(random.below(3))
                event = .endpoints((0..<count).map { Self.endpoint($0) })
            case 7:
                let count = Int32(random.below(4))
                event = .surroundings(
                    standby: random.below(2),
                    peers: (0..<count).map { Self.peer(20 + $0, online: random.below(3), standby: random.below(3)) })
            case 8:
                if let id = held.keys.min(by: { $0.number < $1.number }) {
                    held[id] = nil
                    open -= 1
                    event = .gone(id)
                }
            default: break
            }
            for action in bench.step(event, at: clock) {
                switch action {
                case .forward(let id, let ref, _):
                    if ref.isPeer, id.isForwarded { broken.append("\(id) went to a third host") }
                    guard let arrived = held.removeValue(forKey: id) else {
                        broken.append("\(id) was forwarded from nowhere")
                        continue
                    }
                    flights.append((id, ref, arrived))
                case .refuse(let id, _):
                    if held.removeValue(forKey: id) == nil { broken.append("\(id) was refused from nowhere") }
                    open -= 1
                default: break
                }
            }
            _ = pending
            if bench.admission.held != held.count { broken.append("holds \(bench.admission.held), not \(held.count)") }
            let local = flights.count { !$0.ref.isPeer }
            let sample = bench.sample(at: clock)
            if sample.busy != local || sample.inflight != local + held.count {
                broken.append("measures \(sample.busy) of \(sample.inflight), not \(local) of \(local + held.count)")
            }
            if open != flights.count + held.count { broken.append("\(open) open, \(flights.count + held.count) followed") }
        }
        #expect(broken.isEmpty, "seed \(seed): \(broken.prefix(3))")
    }

    private struct SplitMix {
        var state: UInt64
        mutating func below(_ bound: Int) -> Int {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
        }
    }
}
