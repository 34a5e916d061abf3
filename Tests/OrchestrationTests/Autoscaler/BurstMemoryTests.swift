import Testing

@testable import Orchestration

struct BurstMemoryTests {
    private let tuning = ScalerTuning()

    @Test func `nothing seen is no rise`() {
        #expect(BurstMemory().rise(share: 0.03) == 0)
    }

    @Test func `a rise that comes with every tenth request is kept ready for, one that comes with every thousandth is not`() {
        var memory = BurstMemory()
        for second in 0..<2000 {
            let needed = second == 1500 ? 9 : second % 10 == 0 ? 4 : 1
            memory.take(needed: needed, arrivals: 1, seconds: 1, base: 0, coldStart: 1, tuning)
        }
        #expect((3.5...4).contains(memory.rise(share: 0.03)), "\(memory.rise(share: 0.03))")
        #expect(memory.rise(share: 0.0001) > 8)
    }

    @Test func `what rises from a high average is no rise`() {
        var memory = BurstMemory()
        for _ in 0..<100 { memory.take(needed: 20, arrivals: 100, seconds: 5, base: 19, coldStart: 5, tuning) }
        #expect(memory.rise(share: 0.03) <= 1)
    }

    @Test func `a burst is forgotten after hours of smaller ones`() {
        var memory = BurstMemory()
        memory.take(needed: 30, arrivals: 30, seconds: 5, base: 0, coldStart: 5, tuning)
        #expect(memory.rise(share: 0.03) > 29)
        for _ in 0..<(6 * 720) { memory.take(needed: 2, arrivals: 2, seconds: 5, base: 0, coldStart: 5, tuning) }
        #expect(memory.rise(share: 0.03) <= 2)
    }
}
