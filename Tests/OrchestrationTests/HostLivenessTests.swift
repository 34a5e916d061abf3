import Orchestration
import SidekickModel
import Testing

struct HostLivenessTests {
    private var start: Instant { Instant(nanoseconds: 5_000_000_000) }

    private func advance(_ liveness: inout HostLiveness, from: Int64, to: Int64) {
        for second in from...to { liveness.advance(to: start + .seconds(second)) }
    }

    @Test func `a host that has not reported since the start is unknown for the grace, then lost`() {
        var liveness = HostLiveness(now: start)
        #expect(liveness.liveness(of: "a") == .unknown)
        advance(&liveness, from: 1, to: 59)
        #expect(liveness.liveness(of: "a") == .unknown)
        advance(&liveness, from: 60, to: 60)
        #expect(liveness.liveness(of: "a") == .lost)
        liveness.connected("a", now: start + .seconds(61))
        #expect(liveness.liveness(of: "a") == .alive)
    }

    @Test func `a broken session is suspected at once and lost after the time for it, a new one is alive`() {
        var liveness = HostLiveness(now: start)
        liveness.connected("a", now: start)
        liveness.disconnected("a", now: start + .seconds(1))
        #expect(liveness.liveness(of: "a") == .suspected)
        advance(&liveness, from: 2, to: 29)
        #expect(liveness.liveness(of: "a") == .suspected)
        advance(&liveness, from: 30, to: 30)
        #expect(liveness.liveness(of: "a") == .lost)
        liveness.connected("a", now: start + .seconds(31))
        #expect(liveness.liveness(of: "a") == .alive)
    }

    @Test func `silence on an open session is suspected, and one word makes it alive`() {
        var liveness = HostLiveness(now: start)
        liveness.connected("a", now: start)
        advance(&liveness, from: 1, to: 5)
        #expect(liveness.liveness(of: "a") == .suspected)
        liveness.heard("a", now: start + .seconds(6))
        #expect(liveness.liveness(of: "a") == .alive)
    }

    @Test(arguments: [-3600, 3600, 86_400]) func `a jump of the clock or a suspended controller loses no host`(jump: Int) {
        var liveness = HostLiveness(now: start)
        liveness.connected("a", now: start)
        advance(&liveness, from: 1, to: 2)
        liveness.advance(to: start + .seconds(Int64(jump)))
        #expect(liveness.liveness(of: "a") == .alive)
        #expect(liveness.liveness(of: "b") == .unknown)
    }

    @Test func `words after the session ended do not revive it`() {
        var liveness = HostLiveness(now: start)
        liveness.connected("a", now: start)
        liveness.disconnected("a", now: start)
        liveness.heard("a", now: start + .seconds(1))
        #expect(liveness.liveness(of: "a") == .suspected)
    }
}
