import SidekickModel

/// One scheduled timer. A stale one (run out or cancelled) is harmless.
package struct TimerID: Hashable, Sendable {
    let slot: Int32
    let generation: UInt32
}

/// Timers ordered by deadline: a binary heap that knows where each timer stands, so that cancelling and moving one costs
/// O(log n) and leaves nothing behind.
struct TimerHeap {
    private struct Entry {
        var deadline: Instant
        var slot: Int32
    }

    private struct Slot {
        var handler: (any EventHandler)?
        var tag = 0
        var generation: UInt32 = 0
        /// Index in `heap`, -1 when free.
        var position: Int32 = -1
    }

    private var heap: [Entry] = []
    private var slots: [Slot] = []
    private var free: [Int32] = []

    var next: Instant? { heap.first?.deadline }
    var count: Int { heap.count }

    mutating func schedule(at deadline: Instant, handler: any EventHandler, tag: Int) -> TimerID {
        let slot: Int32
        if let reused = free.popLast() {
            slot = reused
        } else {
            slot = Int32(slots.count)
            slots.append(Slot())
        }
        slots[Int(slot)].handler = handler
        slots[Int(slot)].tag = tag
        heap.append(Entry(deadline: deadline, slot: slot))
        rise(heap.count - 1)
        return TimerID(slot: slot, generation: slots[Int(slot)].generation)
    }

    /// Whether the timer was still there.
    mutating func reschedule(_ id: TimerID, at deadline: Instant) -> Bool {
        guard let position = position(of: id) else { return false }
        let earlier = deadline < heap[position].deadline
        heap[position].deadline = deadline
        if earlier { rise(position) } else { sink(position) }
        return true
    }

    mutating func cancel(_ id: TimerID) {
        guard let position = position(of: id) else { return }
        remove(at: position)
    }

    /// Takes out the earliest timer if its deadline has come.
    mutating func popDue(_ now: Instant) -> (handler: any EventHandler, tag: Int)? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        let slot = slots[Int(first.slot)]
        remove(at: 0)
        return slot.handler.map { ($0, slot.tag) }
    }

    private func position(of id: TimerID) -> Int? {
        guard slots.indices.contains(Int(id.slot)) else { return nil }
        let slot = slots[Int(id.slot)]
        return slot.generation == id.generation && slot.position >= 0 ? Int(slot.position) : nil
    }

    private mutating func remove(at position: Int) {
        let slot = Int(heap[position].slot)
        slots[slot].handler = nil
        slots[slot].position = -1
        slots[slot].generation &+= 1
        free.append(Int32(slot))
        let last = heap.removeLast()
        guard position < heap.count else { return }
        heap[position] = last
        rise(position)
        sink(Int(slots[Int(last.slot)].position))
    }

    private mutating func rise(_ start: Int) {
        var position = start
        let entry = heap[position]
        while position > 0 {
            let parent = (position - 1) / 2
            guard entry.deadline < heap[parent].deadline else { break }
            place(heap[parent], at: position)
            position = parent
        }
        place(entry, at: position)
    }

    private mutating func sink(_ start: Int) {
        var position = start
        let entry = heap[position]
        while true {
            var child = 2 * position + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].deadline < heap[child].deadline { child += 1 }
            guard heap[child].deadline < entry.deadline else { break }
            place(heap[child], at: position)
            position = child
        }
        place(entry, at: position)
    }

    private mutating func place(_ entry: Entry, at position: Int) {
        heap[position] = entry
        slots[Int(entry.slot)].position = Int32(position)
    }
}
