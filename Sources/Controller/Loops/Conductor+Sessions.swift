import AgentProtocol
import ControllerStore
import Logging
import Orchestration
import SidekickModel

extension Conductor {
    func handle(_ event: SessionEvent) {
        switch event {
        case .hello(let session, let identity, let secret, let observed):
            greet(session, identity, secret: secret, observed)
        case .message(let session, let message):
            guard let host = hostOfSession[session.id] else { return }
            liveness.heard(host, now: clock.now())
            receive(message, from: host, session)
        case .closed(let session, let reason): farewell(session, reason)
        }
    }

    private func greet(_ session: AgentSession, _ identity: HostIdentity, secret: String, _ observed: [ObservedReplica]) {
        let host = identity.host
        guard Self.isEqual(secret, joinSecret) else {
            session.refuse("the join secret is not this controller's: give the agent the secret of this fleet")
            counters.refusedHosts += 1
            noteRefusal(of: host, "\(host) at \(session.remote) was refused: wrong join secret")
            return
        }
        let now = clock.now()
        let known = book.hosts[host]
        var record = known ?? HostRecord(name: host, labels: [:], cpu: identity.cpu, memory: identity.memory, joinedAt: now)
        record.labels = identity.labels
        record.cpu = identity.cpu
        record.memory = identity.memory
        // Committed with this round: a thousand agents that come back at once cost one transaction.
        if record != known { pending.append(.host(record)) }
        note(
            FleetEvent(
                at: now, kind: known == nil ? .hostJoined : .hostConnected, host: host,
                message: "\(host) \(known == nil ? "joined" : "connected") from \(session.remote), version \(identity.version)"))
        install(session, identity, observed, now: now)
    }

    private func install(_ session: AgentSession, _ identity: HostIdentity, _ observed: [ObservedReplica], now: Instant) {
        let host = identity.host
        if let older = sessions[host] {
            hostOfSession[older.id] = nil
            older.close()
        }
        sessions[host] = session
        hostOfSession[session.id] = host
        versions[host] = identity.version
        gateways[host] = identity.gateway
        liveness.connected(host, now: now)
        book.beginReport(of: host, about: Set(observed.map(\.replica)))
        for service in routes.keys where book.services[service] == nil { routes[service] = nil }
        session.send(
            .sync(
                epoch: store.epoch, assignments: book.assignments(of: host),
                // Those every other agent has; what this one changes, all are told together.
                routes: book.services.keys.sorted().compactMap { routes[$0] ?? currentRoute(of: $0) }))
        session.send(.peering(secret: peeringSecret))
        take(observed, from: host, session, now: now)
        touchServices(of: host)
    }

    private func receive(_ message: AgentMessage, from host: String, _ session: AgentSession) {
        let now = clock.now()
        switch message {
        case .observed(let reports): take(reports, from: host, session, now: now)
        case .load(let samples):
            for sample in samples {
                book.add(sample, from: host, at: now)
                if sample.inflight > 0 || sample.arrivals > 0 || sample.completions > 0 { feed.mark(sample.service) }
                guard sample.queue > 0, book.services[sample.service] != nil else { continue }
                urgent.insert(sample.service)
                touch(sample.service)
            }
        case .heartbeat, .hello, .logs: break
        }
    }

    private func take(_ reports: [ObservedReplica], from host: String, _ session: AgentSession, now: Instant) {
        var strangers: [ReplicaID] = []
        for report in reports {
            let failures = book.replicas[report.replica]?.failures ?? 0
            if let service = book.observe(report, from: host, now: now) {
                touch(service)
                if let after = book.replicas[report.replica]?.failures, after > failures { noteFailure(report, host, now) }
            } else if report.phase == .removed {
                strangers.append(report.replica)
            }
        }
        // Replicas whose record is gone already: the agent waits for leave to forget them.
        if !strangers.isEmpty { session.send(.forget(strangers)) }
    }

    private func noteFailure(_ report: ObservedReplica, _ host: String, _ now: Instant) {
        note(
            FleetEvent(
                at: now, kind: .replicaFailed, service: report.service, host: host, replica: report.replica,
                message:
                    "\(report.replica) of revision \(report.revision) failed on \(host): \(report.failure ?? "no reason given")"))
    }

    private func farewell(_ session: AgentSession, _ reason: String) {
        guard let host = hostOfSession.removeValue(forKey: session.id) else { return }
        sessions[host] = nil
        liveness.disconnected(host, now: clock.now())
        logger.notice("the session with \(host) ended: \(reason)")
        touchServices(of: host)
    }

    func touchServices(of host: String) {
        for id in book.replicasOfHost[host] ?? [] {
            if let service = book.replicas[id]?.record.service { touch(service) }
        }
    }

    /// At most one a minute and host, since whoever is refused may try for ever.
    private func noteRefusal(of host: String, _ message: String) {
        let now = clock.now()
        if let last = refusals[host], last + .seconds(60) > now { return }
        if refusals.count > 1000 { refusals.removeAll() }
        refusals[host] = now
        note(FleetEvent(at: now, kind: .hostRefused, host: host, message: message))
    }

    /// Takes the same time wherever the first difference is.
    private static func isEqual(_ a: String, _ b: String) -> Bool {
        let (a, b) = (Array(a.utf8), Array(b.utf8))
        var difference = a.count ^ b.count
        for index in 0..<min(a.count, b.count) { difference |= Int(a[index] ^ b[index]) }
        return difference == 0
    }
}

// MARK: Sending

extension Conductor {
    /// Tells agents what a commit changed for them.
    func send(_ facts: [FleetFact]) {
        var assignments: [String: [ReplicaID: Assignment]] = [:]
        var forgotten: [String: [ReplicaID]] = [:]
        var services: Set<String> = []
        for fact in facts {
            switch fact {
            case .replica(let record): assignments[record.host, default: [:]][record.id] = book.assignment(of: record)
            case .replicaGone(let record):
                forgotten[record.host, default: []].append(record.id)
                assignments[record.host]?[record.id] = nil
            case .service(let record): services.insert(record.name)
            case .serviceGone(let name): services.insert(name)
            case .revision(let revision): services.insert(revision.service)
            case .rollout(let record): services.insert(record.service)
            case .decision, .event, .host, .hostGone: break
            }
        }
        for (host, orders) in assignments where !orders.isEmpty {
            sessions[host]?.send(.assignments(orders.values.sorted { $0.replica < $1.replica }))
        }
        for (host, ids) in forgotten { sessions[host]?.send(.forget(ids.sorted())) }
        for case .serviceGone(let name) in facts where losingVolumes.remove(name) != nil { removeVolumes(of: name) }
        sendRoutes(of: services)
    }

    private func removeVolumes(of service: String) {
        for session in sessions.values { session.send(.removeVolumes([service])) }
        let absent = book.hosts.keys.filter { sessions[$0] == nil }.sorted()
        let rest =
            absent.isEmpty
            ? "" : "; not connected, so they keep theirs until ‘sidekick volume remove’ there: \(absent.joined(separator: ", "))"
        note(
            FleetEvent(
                at: clock.now(), kind: .serviceDeleted, service: service,
                message: "its named volumes are removed on \(sessions.count) hosts\(rest)"))
    }

    /// Sends every host the routes that are not what they were, which replicas that come and go elsewhere change too.
    func sendRoutes(of services: Set<String>) {
        var changed: [ServiceRoute] = []
        var gone: [String] = []
        for service in services.sorted() {
            let before = routes[service]
            if let after = currentRoute(of: service) {
                if after != before { changed.append(after) }
            } else if routes.removeValue(forKey: service) != nil || book.services[service] == nil {
                gone.append(service)
            }
        }
        if !changed.isEmpty { broadcast(.routes(changed)) }
        if !gone.isEmpty { broadcast(.removeRoutes(gone)) }
    }

    /// The service's route; gets a new generation when it differs from what was sent last.
    private func currentRoute(of service: String) -> ServiceRoute? {
        let before = routes[service]
        guard let view = book.view(of: service),
            var route = RoutePlan.route(of: view, generation: before?.generation ?? 0)
        else { return nil }
        route.peers = PeerPlan.peers(of: view) { host in
            book.hosts[host].map {
                PeerPlan.Gateway(
                    address: gateways[host], zone: $0.labels["zone"] ?? "", liveness: liveness.liveness(of: host))
            }
        }
        if let before, route == before { return before }
        routeGeneration += 1
        var new = route
        new.generation = routeGeneration
        routes[service] = new
        return new
    }

    private func broadcast(_ message: ControllerMessage) {
        let bytes = message.frame()
        for session in sessions.values { session.send(bytes: bytes) }
    }

}
