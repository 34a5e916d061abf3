import Orchestration
import SidekickModel
import Testing

struct DrainLedgerTests {
    private static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: 0) + Milliseconds(milliseconds) }
    private static let one = ReplicaID(1)

    /// A ledger that has seen one gateway for long enough to know that there is no other.
    private static func settled(gateways: Int...) -> DrainLedger {
        var ledger = DrainLedger(now: at(-10_000))
        for gateway in gateways { ledger.connected(gateway) }
        ledger.advance(to: at(0))
        return ledger
    }

    @Test func `a report about an earlier drain is not believed`() {
        var ledger = Self.settled(gateways: 7)
        ledger.began(Self.one, number: 1)
        ledger.ended(Self.one)
        ledger.began(Self.one, number: 3)
        ledger.reported(Self.one, number: 1, by: 7)
        #expect(!ledger.isDrained(Self.one))
        ledger.reported(Self.one, number: 3, by: 7)
        #expect(ledger.drained == [Self.one])
    }

    @Test func `while two gateways have connections both must have let go`() {
        var ledger = Self.settled(gateways: 7, 8)
        ledger.began(Self.one, number: 1)
        ledger.reported(Self.one, number: 1, by: 8)
        #expect(!ledger.isDrained(Self.one))
        ledger.disconnected(7, now: Self.at(10))
        #expect(!ledger.isDrained(Self.one), "it may come back")
        ledger.advance(to: Self.at(3009))
        #expect(!ledger.isDrained(Self.one))
        #expect(ledger.deadline == Self.at(3010))
        ledger.advance(to: Self.at(3010))
        #expect(ledger.isDrained(Self.one))
    }

    @Test func `with no gateway for a while nothing can be in flight`() {
        var ledger = Self.settled(gateways: 7)
        ledger.began(Self.one, number: 1)
        ledger.disconnected(7, now: Self.at(0))
        ledger.advance(to: Self.at(3000))
        #expect(ledger.isDrained(Self.one))
        var fresh = DrainLedger(now: Self.at(0))
        fresh.began(Self.one, number: 1)
        #expect(!fresh.isDrained(Self.one), "a gateway of before may not have come back yet")
        fresh.advance(to: Self.at(3000))
        #expect(fresh.isDrained(Self.one))
    }

    @Test func `a gateway that comes back says again what it has`() {
        var ledger = Self.settled(gateways: 7)
        ledger.began(Self.one, number: 1)
        ledger.reported(Self.one, number: 1, by: 7)
        ledger.disconnected(7, now: Self.at(0))
        ledger.connected(7)
        #expect(!ledger.isDrained(Self.one))
        #expect(ledger.deadline == nil)
        ledger.reported(Self.one, number: 1, by: 7)
        #expect(ledger.isDrained(Self.one))
    }
}
