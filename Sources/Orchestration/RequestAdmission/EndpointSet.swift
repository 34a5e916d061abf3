import SidekickModel

/// The endpoints of one service with what is in flight on each.
struct EndpointSet: Sendable {
    struct Slot {
        var endpoint: AdmissionEndpoint
        var generation: UInt32 = 0
        var inFlight = 0
        /// Still in the set the agent sent. A slot that is not is freed with its last request.
        var isListed = true
        /// Failed connects in a row, and until when it is left alone for them.
        var failures = 0
        var avoidedUntil = Instant.zero
        /// How its requests ended lately.
        var outlier = OutlierRecord()
        /// Reported drained since it was marked draining.
        var reportedDrained = false
    }

    private(set) var slots: [Slot] = []
    private var free: [Int] = []
    /// Listed slots, in the agent's order.
    private(set) var listed: [Int] = []
    private var cursor = 0
    var shares = ShareBoard()

    /// How long a failed endpoint is left alone: doubling, so that a dead one costs little and a restarted one is soon found.
    private static func avoidance(_ failures: Int) -> Milliseconds { Milliseconds(50 << min(failures - 1, 5)) }

    subscript(ref: EndpointRef) -> Slot? {
        let index = Int(ref.slot)
        guard !ref.isPeer, slots.indices.contains(index), slots[index].generation == ref.generation else { return nil }
        return slots[index]
    }

    /// Whether some replica gets requests, busy or not.
    func isServing(now: Instant) -> Bool { listed.contains { isInReach($0, now) } }

    /// The endpoint a request goes to, nil when none may take one more: of the group whose turn it is by the shares, the one with the fewest
    /// requests in flight, the next in turn among equals. One that is ejected only where every other is out of reach; one whose revision
    /// has no share only where no revision that has one can be reached.
    mutating func choose(limit: Int, now: Instant) -> Int? {
        if shares.isActive { return chooseByShare(limit, now) }
        if let best = choose(limit, now, ejected: false, group: nil) { return best }
        guard ejected(now) > 0, !listed.contains(where: { isInReach($0, now) && !slots[$0].outlier.isEjected(now) }) else {
            return nil
        }
        return choose(limit, now, ejected: true, group: nil)
    }

    private mutating func chooseByShare(_ limit: Int, _ now: Instant) -> Int? {
        let best = (0..<shares.groups).map { choose(limit, now, ejected: false, group: $0) }
        if let group = shares.take(best.map { $0 != nil }) { return best[group] }
        // Who has a share and is only busy is waited for.
        let isReachable = listed.contains { index in
            isInReach(index, now) && !slots[index].outlier.isEjected(now)
                && shares.weight(of: shares.group(of: slots[index].endpoint.revision)) > 0
        }
        guard !isReachable else { return nil }
        return choose(limit, now, ejected: false, group: nil) ?? choose(limit, now, ejected: true, group: nil)
    }

    private func isInReach(_ index: Int, _ now: Instant) -> Bool {
        !slots[index].endpoint.draining && slots[index].avoidedUntil <= now
    }

    private mutating func choose(_ limit: Int, _ now: Instant, ejected: Bool, group: Int?) -> Int? {
        var best: Int?
        var fewest = limit
        let count = listed.count
        var position = cursor < count ? cursor : 0
        for _ in 0..<count {
            let index = listed[position]
            position = position + 1 == count ? 0 : position + 1
            let inFlight = slots[index].inFlight
            guard inFlight < fewest, isInReach(index, now), ejected || !slots[index].outlier.isEjected(now) else { continue }
            if let group, shares.group(of: slots[index].endpoint.revision) != group { continue }
            best = index
            fewest = inFlight
            cursor = position
            if inFlight == 0 { break }
        }
        return best
    }

    /// Counts one more request on the slot.
    mutating func admit(_ index: Int) -> EndpointRef {
        slots[index].inFlight += 1
        return EndpointRef(slot: Int32(index), generation: slots[index].generation)
    }

    /// Counts one request less; the endpoint when that was a draining one's last.
    mutating func release(_ ref: EndpointRef) -> AdmissionEndpoint? {
        let index = Int(ref.slot)
        slots[index].inFlight -= 1
        guard slots[index].inFlight == 0 else { return nil }
        guard slots[index].isListed else {
            freeSlot(index)
            return nil
        }
        return takeDrained(index)
    }

    mutating func noteConnected(_ ref: EndpointRef) {
        if slots[Int(ref.slot)].failures > 0 {
            slots[Int(ref.slot)].failures = 0
            slots[Int(ref.slot)].avoidedUntil = .zero
        }
    }

    mutating func noteFailed(_ ref: EndpointRef, now: Instant) {
        let index = Int(ref.slot)
        // Of many requests that fail at once only the first lengthens the pause.
        guard slots[index].avoidedUntil <= now else { return }
        slots[index].failures += 1
        slots[index].avoidedUntil = now + Self.avoidance(slots[index].failures)
    }

    // MARK: Outliers

    /// How a request ended that the endpoint had; true when that ejects it.
    mutating func noteOutcome(_ ref: EndpointRef, failed: Bool, policy: OutlierPolicy, now: Instant) -> Bool {
        let index = Int(ref.slot)
        guard failed else {
            slots[index].outlier.succeeded(now)
            return false
        }
        guard slots[index].outlier.failed(policy, now), slots[index].isListed, !slots[index].endpoint.draining,
            (ejected(now) + 1) * 2 <= inRotation
        else { return false }
        slots[index].outlier.eject(policy, now)
        return true
    }

    /// Listed endpoints that are not draining.
    private var inRotation: Int { listed.count { !slots[$0].endpoint.draining } }

    /// How many of them are ejected.
    func ejected(_ now: Instant) -> Int {
        listed.count { !slots[$0].endpoint.draining && slots[$0].outlier.isEjected(now) }
    }

    /// Takes ejections back, those first that would end first, until no more than half of the endpoints are ejected.
    private mutating func reinstateBeyondHalf(_ now: Instant) {
        while ejected(now) * 2 > inRotation {
            let first = listed.filter { !slots[$0].endpoint.draining && slots[$0].outlier.isEjected(now) }
                .min { slots[$0].outlier.until < slots[$1].outlier.until }
            guard let first else { return }
            slots[first].outlier.reinstate()
        }
    }

    /// When the next endpoint that is avoided or ejected may be tried again; nil when there is none.
    func nextTrial(after now: Instant) -> Instant? {
        listed.lazy.filter { !self.slots[$0].endpoint.draining }
            .map { max(self.slots[$0].avoidedUntil, self.slots[$0].outlier.until) }.filter { $0 > now }.min()
    }

    /// Takes over the agent's set; returns the draining ones that have nothing in flight.
    mutating func replace(_ endpoints: [AdmissionEndpoint], now: Instant) -> [AdmissionEndpoint] {
        var old: [Int?] = listed
        var new: [Int] = []
        for endpoint in endpoints {
            let known = old.firstIndex { index in
                index.map { slots[$0].endpoint.replica == endpoint.replica && slots[$0].endpoint.target == endpoint.target }
                    ?? false
            }
            if let known, let index = old[known] {
                old[known] = nil
                if slots[index].endpoint.draining != endpoint.draining || slots[index].endpoint.number != endpoint.number {
                    slots[index].reportedDrained = false
                }
                slots[index].endpoint = endpoint
                new.append(index)
            } else if let index = unlisted(endpoint) {
                // Back before its last request ended: those still count.
                slots[index].isListed = true
                slots[index].endpoint = endpoint
                slots[index].reportedDrained = false
                new.append(index)
            } else {
                new.append(add(endpoint))
            }
        }
        listed = new
        for case let index? in old {
            slots[index].isListed = false
            if slots[index].inFlight == 0 { freeSlot(index) }
        }
        reinstateBeyondHalf(now)
        return listed.compactMap { takeDrained($0) }
    }

    /// The draining endpoints with nothing in flight, as if none had been reported.
    mutating func drainedAgain() -> [AdmissionEndpoint] {
        for index in listed { slots[index].reportedDrained = false }
        return listed.compactMap { takeDrained($0) }
    }

    private mutating func takeDrained(_ index: Int) -> AdmissionEndpoint? {
        guard slots[index].endpoint.draining, slots[index].inFlight == 0, !slots[index].reportedDrained else { return nil }
        slots[index].reportedDrained = true
        return slots[index].endpoint
    }

    private func unlisted(_ endpoint: AdmissionEndpoint) -> Int? {
        slots.firstIndex {
            !$0.isListed && $0.inFlight > 0 && $0.endpoint.replica == endpoint.replica && $0.endpoint.target == endpoint.target
        }
    }

    private mutating func add(_ endpoint: AdmissionEndpoint) -> Int {
        guard let index = free.popLast() else {
            slots.append(Slot(endpoint: endpoint))
            return slots.count - 1
        }
        slots[index] = Slot(endpoint: endpoint, generation: slots[index].generation)
        return index
    }

    private mutating func freeSlot(_ index: Int) {
        slots[index].generation &+= 1
        free.append(index)
    }
}
