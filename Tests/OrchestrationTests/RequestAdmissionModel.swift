import Orchestration
import SidekickModel
import Testing

/// Believes nothing: follows every request through the actions of a `ServiceAdmission` and records each broken promise.
struct RequestAdmissionModel {
    struct Flight {
        var ref: EndpointRef
        var endpoint: AdmissionEndpoint
        var arrived: Instant
    }

    var admission: ServiceAdmission
    var policy: AdmissionPolicy
    var endpoints: [AdmissionEndpoint] = []
    /// Held requests in order of arrival.
    var held: [(request: RequestID, arrived: Instant)] = []
    var flights: [RequestID: Flight] = [:]
    var answered = 0
    var arrivals = 0
    /// Targets reported drained since they were marked draining.
    var reported: Set<Int32> = []
    var avoided: [Int32: Bool] = [:]
    var broken: [String] = []
    private var inflightTime: Double = 0
    private var busyTime: Double = 0
    private var last: Instant

    init(policy: AdmissionPolicy, now: Instant) {
        self.policy = policy
        var outliers = OutlierPolicy()
        outliers.failures = 2
        outliers.first = Milliseconds(20)
        outliers.longest = Milliseconds(100)
        admission = ServiceAdmission(service: "web", policy: policy, outliers: outliers, now: now)
        last = now
    }

    mutating func check(_ condition: Bool, _ words: String) { if !condition { broken.append(words) } }

    mutating func step(_ event: AdmissionEvent, now: Instant) {
        let span = now - last
        inflightTime += span * Double(held.count + flights.count)
        busyTime += span * Double(flights.count)
        last = now
        var pending: (request: RequestID, arrived: Instant)?
        switch event {
        case .arrived(let request, _):
            pending = (request, now)
            arrivals += 1
        case .finished(let ref, let failed):
            if let flight = flights.filter({ $0.value.ref == ref }).min(by: { $0.key.number < $1.key.number }) {
                flights[flight.key] = nil
                if !failed { avoided[flight.value.endpoint.target] = nil }
            }
            answered += 1
        case .connectFailed(let request, _, let arrived):
            if let flight = flights.removeValue(forKey: request) { avoided[flight.endpoint.target] = true }
            pending = (request, arrived)
        case .visited(let request, let since, _):
            pending = (request, since)
            arrivals += 1
        case .returned(let request, _, let arrived), .turnedAway(let request, _, let arrived):
            flights[request] = nil
            pending = (request, arrived)
        case .gone(let request): held.removeAll { $0.request == request }
        case .endpoints(let list):
            endpoints = list
            reported.formIntersection(list.filter(\.draining).map(\.target))
        case .policy(let new): policy = new
        case .reportDrained: reported = []
        case .removed: endpoints = []
        case .tick, .surroundings: break
        }
        var actions: [AdmissionAction] = []
        admission.step(event, now: now, into: &actions)
        for action in actions { take(action, event, &pending, now) }
        check(pending == nil, "request neither forwarded, held nor refused by \(event)")
        checkAfter(event, now)
    }

    private mutating func take(
        _ action: AdmissionAction, _ event: AdmissionEvent, _ pending: inout (request: RequestID, arrived: Instant)?,
        _ now: Instant
    ) {
        switch action {
        case .hold(let request):
            check(pending?.request == request, "held what was not asked")
            guard let item = pending else { return }
            let place = held.firstIndex { $0.arrived > item.arrived } ?? held.endIndex
            held.insert(item, at: place)
            pending = nil
        case .forward(let request, let ref, let target):
            var item = pending
            if pending?.request == request {
                check(held.isEmpty, "a new request went before held ones")
                pending = nil
            } else {
                item = held.first
                check(held.first?.request == request, "not the oldest was forwarded")
                held.removeAll { $0.request == request }
            }
            guard let endpoint = endpoints.first(where: { $0.target == target }), let item else {
                return broken.append("forwarded to an endpoint that is not in the set")
            }
            check(!endpoint.draining, "forwarded to a draining endpoint")
            let load = flights.values.count { $0.endpoint.target == target }
            check(load < policy.concurrency ?? .max, "more than \(policy.concurrency ?? 0) on one replica")
            let ejected = ejected(now)
            let eligible = endpoints.filter { !$0.draining && avoided[$0.target] != true && !ejected.contains($0.target) }
            if ejected.contains(target) { check(eligible.isEmpty, "an ejected replica was chosen beside others") }
            let fewest = eligible.map { one in flights.values.count { $0.endpoint.target == one.target } }.min()
            if avoided[target] != true, !ejected.contains(target), let fewest {
                check(load <= fewest, "not the least loaded was chosen")
            }
            check(flights[request] == nil, "forwarded twice")
            flights[request] = Flight(ref: ref, endpoint: endpoint, arrived: item.arrived)
        case .refuse(let request, let why):
            let item = pending?.request == request ? pending : held.first { $0.request == request }
            guard let item else { return broken.append("refused what was not open") }
            if pending?.request == request { pending = nil }
            switch why {
            case .deadline: check(item.arrived + policy.holdDeadline <= now, "refused before its deadline")
            case .queueFull: check(held.count >= policy.holdLimit, "refused though the queue has room")
            case .serviceRemoved, .noPlace: break
            }
            held.removeAll { $0.request == request }
            answered += 1
        case .notifyHeld: check(!held.isEmpty, "nobody waits")
        case .notifyDrained(let replica, _):
            guard let drained = endpoints.first(where: { $0.replica == replica && $0.draining }) else {
                return broken.append("not draining")
            }
            check(!flights.values.contains { $0.endpoint.replica == replica && isListed($0.endpoint) }, "not drained")
            check(reported.insert(drained.target).inserted, "reported drained twice")
        case .notifyUnreachable: break
        case .notifyEjected(let replica, let span):
            check(span.count <= 100, "ejected for too long")
            check(endpoints.contains { $0.replica == replica && !$0.draining }, "ejected what gets no requests")
        }
    }

    private func ejected(_ now: Instant) -> Set<Int32> {
        Set(admission.endpointLoads(now: now).filter { $0.ejected && !$0.draining }.map(\.target))
    }

    private func isListed(_ endpoint: AdmissionEndpoint) -> Bool {
        endpoints.contains { $0.replica == endpoint.replica && $0.target == endpoint.target }
    }

    private mutating func checkAfter(_ event: AdmissionEvent, _ now: Instant) {
        check(admission.held == held.count, "holds \(admission.held), not \(held.count)")
        let limit = policy.concurrency ?? .max
        let ejected = ejected(now)
        check(ejected.count * 2 <= endpoints.count { !$0.draining }, "more than half are ejected")
        let free = endpoints.contains { one in
            !one.draining && avoided[one.target] != true && !ejected.contains(one.target)
                && flights.values.count { $0.endpoint.target == one.target } < limit
        }
        check(held.isEmpty || !free, "somebody waits beside a free endpoint")
        for endpoint in endpoints where endpoint.draining && !reported.contains(endpoint.target) {
            check(flights.values.contains { $0.endpoint.target == endpoint.target }, "drained and not reported")
        }
        if let first = held.first {
            let next = admission.nextTick(now: now)
            check(next.map { $0 <= first.arrived + policy.holdDeadline } ?? false, "no tick before a deadline")
            if event == .tick { check(first.arrived + policy.holdDeadline > now, "held beyond its deadline") }
        } else {
            check(admission.nextTick(now: now) == nil, "a tick for nobody")
        }
    }

    /// Ends the sample and compares it with what was followed here.
    mutating func sample(now: Instant) {
        let span = now - last
        inflightTime += span * Double(held.count + flights.count)
        busyTime += span * Double(flights.count)
        last = now
        let sample = admission.takeSample(now: now)
        check(sample.inflight == held.count + flights.count, "inflight \(sample.inflight)")
        check(sample.busy == flights.count, "busy \(sample.busy)")
        check(sample.queue == held.count, "queue \(sample.queue)")
        check(sample.arrivals == arrivals, "arrivals \(sample.arrivals), not \(arrivals)")
        check(abs(sample.busyTime - busyTime) < 1e-6, "busy time \(sample.busyTime), not \(busyTime)")
        check(abs(sample.averageInflight * sample.seconds - inflightTime) < 1e-6, "inflight time")
        arrivals = 0
        inflightTime = 0
        busyTime = 0
    }
}
