package import SidekickModel

/// Decides for one service which replica or which other host's gateway gets which request, which requests wait, and when one has waited
/// too long.
///
/// A request goes to a free local replica; else to a peer that has replicas online and room; else it waits when this host can bring a
/// replica online or is serving already; else it goes to a peer that can bring one online; else it waits. One that a peer sent goes
/// nowhere else: without a place, and nothing here that could become one, it is sent back.
///
/// After every step either nobody waits or no place may take a request. Requests wait in order of arrival. The caller passes the actions on
/// and comes back with `tick` at `nextTick`.
package struct ServiceAdmission: Sendable {
    package let service: String
    package private(set) var policy: AdmissionPolicy
    private var endpoints = EndpointSet()
    private var peers = PeerSet()
    private var standby = 0
    private var queue = HoldQueue()
    /// Those that peers sent.
    private var visitors = HoldQueue()
    private var meter: LoadMeter
    private let outliers: OutlierPolicy
    private var isRemoved = false
    /// How many waited when the agent was last told, 0 when nobody has waited since; and when that was.
    private var noticed = 0
    private var noticedAt: Instant?

    /// The agent is told of a longer queue at most this often: a busy service's queue comes and goes with every request.
    private static let noticePause = Milliseconds(10)

    package init(service: String, policy: AdmissionPolicy, outliers: OutlierPolicy = OutlierPolicy(), now: Instant) {
        self.outliers = outliers
        self.service = service
        self.policy = policy
        endpoints.shares.set(policy.shares)
        meter = LoadMeter(now: now)
    }

    /// Takes one event and appends what is to be done.
    package mutating func step(_ event: AdmissionEvent, now: Instant, into actions: inout [AdmissionAction]) {
        switch event {
        case .arrived(let request, let bytes): arrive(request, bytes, now, &actions)
        case .visited(let request, let since, let bytes): visit(request, since, bytes, now, &actions)
        case .finished(let ref, let failed): finished(ref, failed: failed, now, &actions)
        case .connectFailed(let request, let ref, let arrived): connectFailed(request, ref, arrived, now, &actions)
        case .returned(let request, let ref, let arrived): returned(request, ref, arrived, now, &actions)
        case .turnedAway(let request, let ref, let arrived):
            guard peers[ref] != nil else { return }
            peers.noteRefused(ref, now: now)
            comeBack(request, ref, arrived, now, &actions)
        case .gone(let request):
            guard request.isForwarded ? visitors.remove(request) : queue.remove(request) else { return }
            meter.left(now: now, refused: false)
            if held == 0 { noticed = 0 }
        case .endpoints(let list):
            for one in endpoints.replace(list, now: now) { actions.append(.notifyDrained(one.replica, number: one.number)) }
            dispatch(now, &actions)
        case .surroundings(let standby, let list):
            self.standby = standby
            peers.replace(list)
            dispatch(now, &actions)
        case .policy(let new):
            policy = new
            endpoints.shares.set(new.shares)
            expire(now, &actions)
            dispatch(now, &actions)
        case .reportDrained:
            for one in endpoints.drainedAgain() { actions.append(.notifyDrained(one.replica, number: one.number)) }
        case .removed:
            isRemoved = true
            _ = endpoints.replace([], now: now)
            peers.replace([])
            standby = 0
            while let entry = takeOldest() { refuse(entry.request, .serviceRemoved, now, &actions) }
        case .tick:
            expire(now, &actions)
            dispatch(now, &actions)
        }
        notify(now, &actions)
    }

    /// When `tick` is due; nil when nobody waits.
    package func nextTick(now: Instant) -> Instant? {
        guard let oldest = oldestArrival else { return nil }
        var next = oldest + policy.holdDeadline
        if let trial = endpoints.nextTrial(after: now) { next = min(next, trial) }
        if !queue.isEmpty, let trial = peers.nextTrial(after: now) { next = min(next, trial) }
        if let noticedAt, held >= noticed * 2 || noticed == 0 { next = min(next, max(now, noticedAt + Self.noticePause)) }
        return next
    }

    package var held: Int { queue.count + visitors.count }

    private var oldestArrival: Instant? {
        switch (queue.oldest?.arrived, visitors.oldest?.arrived) {
        case (let own?, let visiting?): min(own, visiting)
        case (let own, let visiting): own ?? visiting
        }
    }

    private mutating func takeOldest() -> HoldQueue.Entry? {
        guard let own = queue.oldest else { return visitors.takeOldest() }
        guard let visiting = visitors.oldest, visiting.arrived < own.arrived else { return queue.takeOldest() }
        return visitors.takeOldest()
    }

    /// What each listed endpoint has now, in the agent's order.
    package func endpointLoads(now: Instant) -> [EndpointLoad] {
        endpoints.listed.map { index in
            let slot = endpoints.slots[index]
            return EndpointLoad(
                replica: slot.endpoint.replica, target: slot.endpoint.target, draining: slot.endpoint.draining,
                inFlight: slot.inFlight, ejected: slot.outlier.isEjected(now))
        }
    }

    /// What is measured up to `now`, without ending the sample.
    package func currentSample(now: Instant) -> LoadSample {
        meter.sample(service: service, held: held, oldest: oldestArrival, now: now)
    }

    /// Ends the sample and begins the next.
    package mutating func takeSample(now: Instant) -> LoadSample {
        defer { meter.restart(now: now) }
        return currentSample(now: now)
    }
}

// MARK: Requests that come

extension ServiceAdmission {
    private var limit: Int { policy.concurrency ?? .max }

    private mutating func arrive(_ request: RequestID, _ bytes: Int, _ now: Instant, _ actions: inout [AdmissionAction]) {
        if !isRemoved, queue.isEmpty {
            if visitors.isEmpty, let index = endpoints.choose(limit: limit, now: now) {
                meter.arrived(now: now)
                return forward(request, index, now, &actions)
            }
            // What a peer serves is measured there, and there only.
            if let index = choosePeer(now) { return hand(request, index, &actions) }
        }
        meter.arrived(now: now)
        guard !isRemoved else { return refuse(request, .serviceRemoved, now, &actions) }
        guard hasRoom(bytes) else { return refuse(request, .queueFull, now, &actions) }
        queue.insert(request, arrived: now, bytes: bytes)
        actions.append(.hold(request))
        dispatch(now, &actions)
    }

    private mutating func visit(
        _ request: RequestID, _ since: Instant, _ bytes: Int, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        meter.arrived(now: now)
        if !isRemoved, held == 0, let index = endpoints.choose(limit: limit, now: now) {
            return forward(request, index, now, &actions)
        }
        guard !isRemoved, standby > 0 else { return refuse(request, .noPlace, now, &actions) }
        guard hasRoom(bytes) else { return refuse(request, .noPlace, now, &actions) }
        visitors.insert(request, arrived: min(since, now), bytes: bytes)
        actions.append(.hold(request))
        dispatch(now, &actions)
    }

    private func hasRoom(_ bytes: Int) -> Bool {
        held < policy.holdLimit && queue.bytes + visitors.bytes + bytes <= policy.holdBytes
    }
}

// MARK: Requests that come back

extension ServiceAdmission {
    private mutating func finished(_ ref: EndpointRef, failed: Bool, _ now: Instant, _ actions: inout [AdmissionAction]) {
        if ref.isPeer {
            guard peers[ref] != nil else { return }
            if failed { peers.noteFailed(ref, now: now) } else { peers.noteAnswered(ref) }
            peers.release(ref)
        } else {
            guard endpoints[ref] != nil else { return }
            meter.finished(now: now, failed: failed)
            if !failed { endpoints.noteConnected(ref) }
            noteOutcome(ref, failed: failed, now, &actions)
            release(ref, &actions)
        }
        dispatch(now, &actions)
    }

    private mutating func connectFailed(
        _ request: RequestID, _ ref: EndpointRef, _ arrived: Instant, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        if ref.isPeer {
            guard peers[ref] != nil else { return }
            peers.noteFailed(ref, now: now)
            return comeBack(request, ref, arrived, now, &actions)
        }
        guard let slot = endpoints[ref] else { return }
        meter.returned(now: now)
        let known = slot.avoidedUntil > now
        endpoints.noteFailed(ref, now: now)
        if slot.isListed, !known { actions.append(.notifyUnreachable(slot.endpoint.replica)) }
        release(ref, &actions)
        readmit(request, arrived, now, &actions)
    }

    private mutating func returned(
        _ request: RequestID, _ ref: EndpointRef, _ arrived: Instant, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        if ref.isPeer {
            guard peers[ref] != nil else { return }
            peers.noteFailed(ref, now: now)
            return comeBack(request, ref, arrived, now, &actions)
        }
        guard endpoints[ref] != nil else { return }
        meter.returned(now: now)
        noteOutcome(ref, failed: true, now, &actions)
        release(ref, &actions)
        readmit(request, arrived, now, &actions)
    }

    /// A peer did not serve the request: it counts here again.
    private mutating func comeBack(
        _ request: RequestID, _ ref: EndpointRef, _ arrived: Instant, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        meter.arrived(now: now)
        peers.release(ref)
        readmit(request, arrived, now, &actions)
    }

    /// Gives a request that had a place already the next one that is free.
    private mutating func readmit(
        _ request: RequestID, _ arrived: Instant, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        if isRemoved {
            refuse(request, .serviceRemoved, now, &actions)
        } else if arrived + policy.holdDeadline <= now {
            refuse(request, .deadline, now, &actions)
        } else {
            // Held even beyond the limit: it was admitted once.
            if request.isForwarded {
                visitors.insert(request, arrived: arrived)
            } else {
                queue.insert(request, arrived: arrived)
            }
            actions.append(.hold(request))
        }
        dispatch(now, &actions)
    }

    private mutating func noteOutcome(
        _ ref: EndpointRef, failed: Bool, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        guard endpoints.noteOutcome(ref, failed: failed, policy: outliers, now: now), let slot = endpoints[ref] else { return }
        let left = (slot.outlier.until.nanoseconds - now.nanoseconds) / 1_000_000
        actions.append(.notifyEjected(slot.endpoint.replica, Milliseconds(left)))
    }

    private mutating func release(_ ref: EndpointRef, _ actions: inout [AdmissionAction]) {
        if let drained = endpoints.release(ref) { actions.append(.notifyDrained(drained.replica, number: drained.number)) }
    }
}

// MARK: Places

extension ServiceAdmission {
    /// A peer for a request of this host that no local replica takes now.
    private mutating func choosePeer(_ now: Instant) -> Int? {
        if let index = peers.choose(.online, limit: limit, now: now) { return index }
        guard standby == 0, !endpoints.isServing(now: now) else { return nil }
        return peers.choose(.standby, limit: limit, now: now)
    }

    private mutating func forward(_ request: RequestID, _ index: Int, _ now: Instant, _ actions: inout [AdmissionAction]) {
        meter.began(now: now)
        let ref = endpoints.admit(index)
        actions.append(.forward(request, ref, target: endpoints.slots[index].endpoint.target))
    }

    private mutating func hand(_ request: RequestID, _ index: Int, _ actions: inout [AdmissionAction]) {
        actions.append(.forward(request, peers.admit(index), target: peers.slots[index].peer.target))
    }

    private mutating func refuse(
        _ request: RequestID, _ why: AdmissionRefusal, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        // What is sent back to a peer is measured there.
        if why == .noPlace { meter.handedOver(now: now) } else { meter.left(now: now, refused: true) }
        actions.append(.refuse(request, why))
    }

    /// Gives waiting requests to places as long as there are both.
    private mutating func dispatch(_ now: Instant, _ actions: inout [AdmissionAction]) {
        while held > 0, let index = endpoints.choose(limit: limit, now: now) {
            guard let entry = takeOldest() else { break }
            forward(entry.request, index, now, &actions)
        }
        while !queue.isEmpty, let index = choosePeer(now) {
            guard let entry = queue.takeOldest() else { break }
            meter.handedOver(now: now)
            hand(entry.request, index, &actions)
        }
        if standby == 0, !visitors.isEmpty, !endpoints.isServing(now: now) {
            while let entry = visitors.takeOldest() { refuse(entry.request, .noPlace, now, &actions) }
        }
        if held == 0 { noticed = 0 }
    }

    private mutating func expire(_ now: Instant, _ actions: inout [AdmissionAction]) {
        while let oldest = oldestArrival, oldest + policy.holdDeadline <= now, let entry = takeOldest() {
            refuse(entry.request, .deadline, now, &actions)
        }
        if held == 0 { noticed = 0 }
    }

    private mutating func notify(_ now: Instant, _ actions: inout [AdmissionAction]) {
        guard held > 0, noticed == 0 || held >= noticed * 2 else { return }
        if let noticedAt, noticedAt + Self.noticePause > now { return }
        noticed = held
        noticedAt = now
        actions.append(.notifyHeld)
    }
}
