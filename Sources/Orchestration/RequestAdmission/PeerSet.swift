import SidekickModel

/// The other hosts' gateways that a service's requests may go to, with what is in flight to each.
struct PeerSet: Sendable {
    struct Slot {
        var peer: AdmissionPeer
        var generation: UInt32 = 0
        var inFlight = 0
        /// Still in the list the agent sent. A slot that is not is freed with its last request.
        var isListed = true
        /// Failed exchanges in a row. A peer that failed is tried with one request at a time until it answers.
        var failures = 0
        /// Answers in a row that there is no place there.
        var refusals = 0
        var avoidedUntil = Instant.zero
    }

    /// What a request is sent to a peer for.
    enum Purpose { case online, standby }

    private(set) var slots: [Slot] = []
    private var free: [Int] = []
    private var listed: [Int] = []
    private var cursor = 0

    /// How long a peer that does not answer is left alone: 250 ms, doubled with each failure in a row up to 8 s. The one request that finds
    /// out loses the time of a connect, so a dead host costs little and one that is back is soon used.
    private static func avoidance(failures: Int) -> Milliseconds { Milliseconds(250 << min(failures - 1, 5)) }
    /// How long a peer without a place is left alone: 10 ms, doubled up to 320 ms.
    private static func avoidance(refusals: Int) -> Milliseconds { Milliseconds(10 << min(refusals - 1, 5)) }

    subscript(ref: EndpointRef) -> Slot? {
        let index = Int(ref.slot)
        guard ref.isPeer, slots.indices.contains(index), slots[index].generation == ref.generation else { return nil }
        return slots[index]
    }

    /// The nearest peer that has replicas for the purpose and, as far as is known here, room on them; among equals the one with the fewest
    /// requests per replica, in turn.
    /// - Parameter limit: requests per replica.
    mutating func choose(_ purpose: Purpose, limit: Int, now: Instant) -> Int? {
        var best: (index: Int, count: Int)?
        let total = listed.count
        var position = cursor < total ? cursor : 0
        for _ in 0..<total {
            let index = listed[position]
            position = position + 1 == total ? 0 : position + 1
            let slot = slots[index]
            let count = purpose == .online ? slot.peer.online : slot.peer.standby
            guard count > 0, slot.avoidedUntil <= now, slot.failures == 0 || slot.inFlight == 0,
                slot.inFlight / count < limit
            else { continue }
            if let best, !isBetter(slot, count, than: slots[best.index], best.count) { continue }
            best = (index, count)
            cursor = position
        }
        return best?.index
    }

    private func isBetter(_ slot: Slot, _ count: Int, than best: Slot, _ bestCount: Int) -> Bool {
        if slot.peer.near != best.peer.near { return slot.peer.near }
        // Requests per replica, multiplied out.
        return slot.inFlight * bestCount < best.inFlight * count
    }

    mutating func admit(_ index: Int) -> EndpointRef {
        slots[index].inFlight += 1
        return EndpointRef(slot: Int32(index), generation: slots[index].generation, isPeer: true)
    }

    mutating func release(_ ref: EndpointRef) {
        let index = Int(ref.slot)
        slots[index].inFlight -= 1
        if slots[index].inFlight == 0, !slots[index].isListed { freeSlot(index) }
    }

    mutating func noteAnswered(_ ref: EndpointRef) {
        slots[Int(ref.slot)].failures = 0
        slots[Int(ref.slot)].refusals = 0
    }

    mutating func noteFailed(_ ref: EndpointRef, now: Instant) {
        let index = Int(ref.slot)
        // Of many requests that fail at once only the first lengthens the pause.
        guard slots[index].avoidedUntil <= now || slots[index].failures == 0 else { return }
        slots[index].failures += 1
        slots[index].avoidedUntil = now + Self.avoidance(failures: slots[index].failures)
    }

    mutating func noteRefused(_ ref: EndpointRef, now: Instant) {
        let index = Int(ref.slot)
        slots[index].failures = 0
        guard slots[index].avoidedUntil <= now else { return }
        slots[index].refusals += 1
        slots[index].avoidedUntil = now + Self.avoidance(refusals: slots[index].refusals)
    }

    /// When the next avoided peer may be tried again; nil when none is avoided.
    func nextTrial(after now: Instant) -> Instant? {
        listed.lazy.map { self.slots[$0].avoidedUntil }.filter { $0 > now }.min()
    }

    /// Takes over the agent's list. A peer whose counts rose is worth a try whatever it answered before.
    mutating func replace(_ peers: [AdmissionPeer]) {
        var old: [Int?] = listed
        var new: [Int] = []
        for peer in peers {
            if let place = old.firstIndex(where: { $0.map { slots[$0].peer.target == peer.target } ?? false }),
                let index = old[place]
            {
                old[place] = nil
                let before = slots[index].peer
                if peer.online > before.online || peer.standby > before.standby, slots[index].failures == 0 {
                    slots[index].refusals = 0
                    slots[index].avoidedUntil = .zero
                }
                slots[index].peer = peer
                new.append(index)
            } else if let index = slots.firstIndex(where: { !$0.isListed && $0.inFlight > 0 && $0.peer.target == peer.target }) {
                slots[index].isListed = true
                slots[index].peer = peer
                new.append(index)
            } else {
                new.append(add(peer))
            }
        }
        listed = new
        for case let index? in old {
            slots[index].isListed = false
            if slots[index].inFlight == 0 { freeSlot(index) }
        }
    }

    private mutating func add(_ peer: AdmissionPeer) -> Int {
        guard let index = free.popLast() else {
            slots.append(Slot(peer: peer))
            return slots.count - 1
        }
        slots[index] = Slot(peer: peer, generation: slots[index].generation)
        return index
    }

    private mutating func freeSlot(_ index: Int) {
        slots[index].generation &+= 1
        free.append(index)
    }
}
