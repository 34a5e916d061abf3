package import SidekickModel

/// Decides for one service which replica gets which request, which requests wait, and when one has waited too long.
///
/// After every step either nobody waits or no endpoint may take a request. Requests wait in order of arrival. The caller passes
/// the actions on and comes back with `tick` at `nextTick`.
package struct ServiceAdmission: Sendable {
    package let service: String
    package private(set) var policy: AdmissionPolicy
    private var endpoints = EndpointSet()
    private var queue = HoldQueue()
    private var meter: LoadMeter
    private var isRemoved = false
    /// How many waited when the agent was last told, 0 when nobody has waited since; and when that was.
    private var noticed = 0
    private var noticedAt: Instant?

    /// The agent is told of a longer queue at most this often: a busy service's queue comes and goes with every request.
    private static let noticePause = Milliseconds(10)

    package init(service: String, policy: AdmissionPolicy, now: Instant) {
        self.service = service
        self.policy = policy
        meter = LoadMeter(now: now)
    }

    /// Takes one event and appends what is to be done.
    package mutating func step(_ event: AdmissionEvent, now: Instant, into actions: inout [AdmissionAction]) {
        switch event {
        case .arrived(let request): arrive(request, now, &actions)
        case .finished(let ref, let failed):
            guard endpoints[ref] != nil else { return }
            meter.finished(now: now, failed: failed)
            if !failed { endpoints.noteConnected(ref) }
            release(ref, &actions)
            dispatch(now, &actions)
        case .connectFailed(let request, let ref, let arrived): connectFailed(request, ref, arrived, now, &actions)
        case .returned(let request, let ref, let arrived):
            guard endpoints[ref] != nil else { return }
            meter.returned(now: now)
            release(ref, &actions)
            readmit(request, arrived, now, &actions)
        case .gone(let request):
            guard queue.remove(request) else { return }
            meter.left(now: now, refused: false)
            if queue.isEmpty { noticed = 0 }
        case .endpoints(let list):
            for replica in endpoints.replace(list) { actions.append(.notifyDrained(replica)) }
            dispatch(now, &actions)
        case .policy(let new):
            policy = new
            expire(now, &actions)
            dispatch(now, &actions)
        case .reportDrained: for replica in endpoints.drainedAgain() { actions.append(.notifyDrained(replica)) }
        case .removed:
            isRemoved = true
            _ = endpoints.replace([])
            while let entry = queue.takeOldest() { refuse(entry.request, .serviceRemoved, now, &actions) }
        case .tick:
            expire(now, &actions)
            dispatch(now, &actions)
        }
        notify(now, &actions)
    }

    /// When `tick` is due; nil when nobody waits.
    package func nextTick(now: Instant) -> Instant? {
        guard let oldest = queue.oldest else { return nil }
        var next = oldest.arrived + policy.holdDeadline
        if let trial = endpoints.nextTrial(after: now) { next = min(next, trial) }
        if let noticedAt, queue.count >= noticed * 2 || noticed == 0 { next = min(next, max(now, noticedAt + Self.noticePause)) }
        return next
    }

    package var held: Int { queue.count }

    /// What each listed endpoint has now, in the agent's order.
    package var endpointLoads: [EndpointLoad] {
        endpoints.listed.map { index in
            let slot = endpoints.slots[index]
            return EndpointLoad(
                replica: slot.endpoint.replica, target: slot.endpoint.target, draining: slot.endpoint.draining,
                inFlight: slot.inFlight)
        }
    }

    /// What is measured up to `now`, without ending the sample.
    package func currentSample(now: Instant) -> LoadSample {
        meter.sample(service: service, held: queue.count, oldest: queue.oldest?.arrived, now: now)
    }

    /// Ends the sample and begins the next.
    package mutating func takeSample(now: Instant) -> LoadSample {
        defer { meter.restart(now: now) }
        return currentSample(now: now)
    }

    private mutating func arrive(_ request: RequestID, _ now: Instant, _ actions: inout [AdmissionAction]) {
        meter.arrived(now: now)
        guard !isRemoved else { return refuse(request, .serviceRemoved, now, &actions) }
        if queue.isEmpty, let index = endpoints.choose(limit: policy.concurrency ?? .max, now: now) {
            return forward(request, index, now, &actions)
        }
        guard queue.count < policy.holdLimit else { return refuse(request, .queueFull, now, &actions) }
        queue.insert(request, arrived: now)
        actions.append(.hold(request))
        dispatch(now, &actions)
    }

    private mutating func connectFailed(
        _ request: RequestID, _ ref: EndpointRef, _ arrived: Instant, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        guard let slot = endpoints[ref] else { return }
        meter.returned(now: now)
        let known = slot.avoidedUntil > now
        endpoints.noteFailed(ref, now: now)
        if slot.isListed, !known { actions.append(.notifyUnreachable(slot.endpoint.replica)) }
        release(ref, &actions)
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
            queue.insert(request, arrived: arrived)
            actions.append(.hold(request))
        }
        dispatch(now, &actions)
    }

    private mutating func release(_ ref: EndpointRef, _ actions: inout [AdmissionAction]) {
        if let drained = endpoints.release(ref) { actions.append(.notifyDrained(drained)) }
    }

    private mutating func forward(_ request: RequestID, _ index: Int, _ now: Instant, _ actions: inout [AdmissionAction]) {
        meter.began(now: now)
        let ref = endpoints.admit(index)
        actions.append(.forward(request, ref, target: endpoints.slots[index].endpoint.target))
    }

    private mutating func refuse(
        _ request: RequestID, _ why: AdmissionRefusal, _ now: Instant, _ actions: inout [AdmissionAction]
    ) {
        meter.left(now: now, refused: true)
        actions.append(.refuse(request, why))
    }

    /// Gives waiting requests to endpoints as long as there are both.
    private mutating func dispatch(_ now: Instant, _ actions: inout [AdmissionAction]) {
        while !queue.isEmpty, let index = endpoints.choose(limit: policy.concurrency ?? .max, now: now) {
            guard let entry = queue.takeOldest() else { return }
            forward(entry.request, index, now, &actions)
        }
        if queue.isEmpty { noticed = 0 }
    }

    private mutating func expire(_ now: Instant, _ actions: inout [AdmissionAction]) {
        while let oldest = queue.oldest, oldest.arrived + policy.holdDeadline <= now {
            queue.remove(oldest.request)
            refuse(oldest.request, .deadline, now, &actions)
        }
        if queue.isEmpty { noticed = 0 }
    }

    private mutating func notify(_ now: Instant, _ actions: inout [AdmissionAction]) {
        guard !queue.isEmpty, noticed == 0 || queue.count >= noticed * 2 else { return }
        if let noticedAt, noticedAt + Self.noticePause > now { return }
        noticed = queue.count
        noticedAt = now
        actions.append(.notifyHeld)
    }
}
