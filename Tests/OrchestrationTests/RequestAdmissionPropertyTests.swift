import Orchestration
import SidekickModel
import Testing

struct RequestAdmissionPropertyTests {
    /// SplitMix64: the same seed gives the same run everywhere.
    struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    }

    private static func randomEndpoints(_ random: inout Random) -> [AdmissionEndpoint] {
        (0..<6).filter { _ in random.below(3) > 0 }.map { number in
            // Now and then the replica comes back at another address.
            let target = Int32(number * 2 + (random.below(10) == 0 ? 1 : 0))
            return AdmissionEndpoint(replica: ReplicaID(Int64(number)), target: target, draining: random.below(4) == 0)
        }
    }

    private static func randomPolicy(_ random: inout Random) -> AdmissionPolicy {
        AdmissionPolicy(
            concurrency: random.below(5) == 0 ? nil : 1 + random.below(4),
            holdDeadline: Milliseconds(Int64(1 + random.below(100))),
            holdLimit: random.below(20))
    }

    @Test(arguments: 1...400)
    func `no request is lost, answered twice, out of turn, late, or sent where it must not go`(seed: Int) {
        var random = Random(state: UInt64(seed))
        var now = Instant(nanoseconds: 1_000_000_000)
        var model = RequestAdmissionModel(policy: Self.randomPolicy(&random), now: now)
        var nextRequest: UInt64 = 0
        for _ in 0..<400 {
            // The tick is planned when it is told, as the gateway does: an ejection that ends meanwhile is no later one's.
            let planned = model.admission.nextTick(now: now)
            if random.below(2) == 0 { now = now + Milliseconds(Int64(random.below(8))) }
            if let planned, planned <= now { model.step(.tick, now: now) }
            switch random.below(20) {
            case 0..<9:
                nextRequest += 1
                model.step(.arrived(RequestID(nextRequest)), now: now)
            case 9..<14:
                guard let flight = model.flights.min(by: { $0.key.number < $1.key.number }) else { continue }
                model.step(.finished(flight.value.ref, failed: random.below(5) == 0), now: now)
            case 14:
                guard let flight = model.flights.max(by: { $0.key.number < $1.key.number }) else { continue }
                if random.below(2) == 0 {
                    model.step(.returned(flight.key, flight.value.ref, arrived: flight.value.arrived), now: now)
                    continue
                }
                model.step(.connectFailed(flight.key, flight.value.ref, arrived: flight.value.arrived), now: now)
            case 15:
                guard !model.held.isEmpty else { continue }
                model.step(.gone(model.held[random.below(model.held.count)].request), now: now)
            case 16: model.step(.endpoints(Self.randomEndpoints(&random)), now: now)
            case 17: model.step(.policy(Self.randomPolicy(&random)), now: now)
            case 18: model.step(.reportDrained, now: now)
            default: model.sample(now: now)
            }
        }
        while let flight = model.flights.first { model.step(.finished(flight.value.ref, failed: false), now: now) }
        var turns = 0
        while let tick = model.admission.nextTick(now: now), turns < 10_000 {
            now = max(now, tick)
            model.step(.tick, now: now)
            while let flight = model.flights.first { model.step(.finished(flight.value.ref, failed: false), now: now) }
            turns += 1
        }
        #expect(model.held.isEmpty, "seed \(seed)")
        #expect(model.broken.isEmpty, "seed \(seed): \(model.broken.first ?? "")")
    }
}
