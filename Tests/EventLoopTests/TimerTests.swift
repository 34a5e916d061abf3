import SidekickModel
import Testing

@testable import EventLoop

struct TimerTests {
    private final class Recorder: EventHandler {
        var tags: [Int] = []
        func ready(_ readiness: Readiness) {}
        func expired(_ tag: Int) { tags.append(tag) }
    }

    @Test func `timers run out in order of deadline whatever was moved or cancelled between`() {
        for seed in UInt64(1)...50 {
            var random = SplitMix(state: seed)
            var heap = TimerHeap()
            let handler = Recorder()
            var expected: [Int: Instant] = [:]
            var ids: [Int: TimerID] = [:]
            for tag in 0..<400 {
                let deadline = Instant(nanoseconds: Int64(random.next() % 1000))
                switch random.next() % 4 {
                case 0 where !ids.isEmpty:
                    let victim = ids.keys.sorted()[Int(random.next() % UInt64(ids.count))]
                    if let id = ids.removeValue(forKey: victim) { heap.cancel(id) }
                    expected[victim] = nil
                case 1 where !ids.isEmpty:
                    let moved = ids.keys.sorted()[Int(random.next() % UInt64(ids.count))]
                    let found = ids[moved].map { heap.reschedule($0, at: deadline) }
                    #expect(found == true, "seed \(seed)")
                    expected[moved] = deadline
                default:
                    ids[tag] = heap.schedule(at: deadline, handler: handler, tag: tag)
                    expected[tag] = deadline
                }
            }
            var last = Instant.zero
            while let next = heap.next {
                let early = heap.popDue(next - Milliseconds(1))
                #expect(early == nil, "seed \(seed)")
                guard let due = heap.popDue(next) else { break }
                #expect(expected.removeValue(forKey: due.tag) == next, "seed \(seed)")
                #expect(last <= next, "seed \(seed)")
                last = next
            }
            #expect(expected.isEmpty, "seed \(seed)")
        }
    }

    @Test func `a stale timer neither moves nor cancels the one that took its place`() {
        var heap = TimerHeap()
        let handler = Recorder()
        let first = heap.schedule(at: .zero, handler: handler, tag: 1)
        heap.cancel(first)
        _ = heap.schedule(at: Instant(nanoseconds: 5), handler: handler, tag: 2)
        let moved = heap.reschedule(first, at: Instant(nanoseconds: 9))
        #expect(!moved)
        heap.cancel(first)
        #expect(heap.next == Instant(nanoseconds: 5))
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
