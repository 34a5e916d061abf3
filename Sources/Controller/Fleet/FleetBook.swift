import ControllerStore
import Orchestration
import SidekickModel

/// Everything the controller knows, in memory: the store's content, kept equal to it by the facts of each commit, and what agents report.
struct FleetBook {
    struct Service {
        var record: ServiceRecord
        var revisions: [Int: Revision] = [:]
        var rollout: RolloutRecord?
        var decision: Decision?
        /// Rising.
        var replicas: [ReplicaID] = []
        var load = LoadWindow()
        var scaler = ScalerState()
        var recorder = LoadRecorder()
        /// As the newest event about room says; false until this controller recorded one.
        var lacksRoom = false
    }

    struct Replica {
        var record: ReplicaRecord
        var observed: ObservedReplica?
        var readySince: Instant?
        var failures = 0
        /// What it counts for in `reserved`.
        var holds = Reservation.nothing

        var view: ReplicaView { ReplicaView(record: record, observed: observed, readySince: readySince, failures: failures) }
    }

    private(set) var services: [String: Service] = [:]
    private(set) var replicas: [ReplicaID: Replica] = [:]
    private(set) var hosts: [String: HostRecord] = [:]
    private(set) var replicasOfHost: [String: Set<ReplicaID>] = [:]
    private(set) var reserved: [String: Reservation] = [:]
    /// When this controller began to observe.
    let watchedSince: Instant

    init(_ stored: StoredFleet, now: Instant) {
        watchedSince = now
        apply(
            stored.services.map(FleetFact.service) + stored.revisions.map(FleetFact.revision)
                + stored.rollouts.map(FleetFact.rollout) + stored.hosts.map(FleetFact.host)
                + stored.replicas.map(FleetFact.replica) + stored.decisions.map(FleetFact.decision))
        for (service, memory) in stored.scalerMemory { services[service]?.scaler = ScalerState(text: memory) }
    }

    mutating func apply(_ facts: [FleetFact]) {
        for fact in facts {
            switch fact {
            case .service(let record):
                services[record.name, default: Service(record: record)].record = record
            case .serviceGone(let name): services[name] = nil
            case .revision(let revision): services[revision.service]?.revisions[revision.number] = revision
            case .replica(let record): put(record)
            case .replicaGone(let record): remove(record.id)
            case .rollout(let record):
                if record.id >= services[record.service]?.rollout?.id ?? 0 { services[record.service]?.rollout = record }
            case .decision(let decision): services[decision.service]?.decision = decision
            case .event(let event): note(event)
            case .host(let record): hosts[record.name] = record
            case .hostGone(let name): hosts[name] = nil
            }
        }
    }

    private mutating func put(_ record: ReplicaRecord) {
        if replicas[record.id] == nil {
            replicas[record.id] = Replica(record: record)
            services[record.service]?.replicas.append(record.id)
            replicasOfHost[record.host, default: []].insert(record.id)
        } else {
            replicas[record.id]?.record = record
        }
        reserve(record.id)
    }

    private mutating func note(_ event: FleetEvent) {
        guard let service = event.service, event.kind == .noRoom || event.kind == .roomFound else { return }
        services[service]?.lacksRoom = event.kind == .noRoom
    }

    private mutating func remove(_ id: ReplicaID) {
        guard let replica = replicas.removeValue(forKey: id) else { return }
        services[replica.record.service]?.replicas.removeAll { $0 == id }
        replicasOfHost[replica.record.host]?.remove(id)
        reserved[replica.record.host, default: .nothing] -= replica.holds
    }

    /// Counts anew what the replica holds; after each change of its order or report.
    private mutating func reserve(_ id: ReplicaID) {
        guard var replica = replicas[id] else { return }
        let record = replica.record
        let resources = services[record.service]?.revisions[record.revision]?.spec.resources
        let holds = resources.map { Reservation($0, desired: record.desired, observed: replica.observed) } ?? .nothing
        reserved[record.host, default: .nothing] -= replica.holds
        reserved[record.host, default: .nothing] += holds
        replica.holds = holds
        replicas[id] = replica
    }
}

// MARK: What agents report

extension FleetBook {
    /// Takes in one report.
    /// - Returns: the service it is about, or nil when the replica is not one of this host's.
    mutating func observe(_ report: ObservedReplica, from host: String, now: Instant) -> String? {
        guard var replica = replicas[report.replica], replica.record.host == host else { return nil }
        let before = replica.observed
        guard report.generation >= before?.generation ?? 0 else { return replica.record.service }
        let serves = { (one: ObservedReplica) in one.ready && one.phase == .settled && one.rung == .online }
        if !serves(report) {
            replica.readySince = nil
        } else if replica.readySince == nil || before?.starts != report.starts {
            replica.readySince = now
        }
        if report.phase == .failed {
            let more = before.map { report.starts - $0.starts } ?? 1
            if before?.phase != .failed || more > 0 { replica.failures += max(1, more) }
        }
        replica.observed = report
        replicas[report.replica] = replica
        reserve(report.replica)
        if let took = report.startTook, let before, report.ready, !before.ready || before.starts != report.starts {
            let fromStandby = before.rung.map { $0 != .online } ?? false
            services[replica.record.service]?.scaler.starts.note(took, fromStandby: fromStandby)
        }
        return replica.record.service
    }

    /// A session begins with a full report, about the replicas `reported`: it replaces what was known, whatever its generations.
    mutating func beginReport(of host: String, about reported: Set<ReplicaID>) {
        for id in replicasOfHost[host] ?? [] {
            if reported.contains(id) {
                replicas[id]?.observed?.generation = 0
            } else {
                replicas[id]?.observed = nil
                replicas[id]?.readySince = nil
                reserve(id)
            }
        }
    }

    /// Failed starts counted so far no longer count.
    mutating func forgiveFailures(of service: String) {
        for id in services[service]?.replicas ?? [] { replicas[id]?.failures = 0 }
    }

    mutating func add(_ sample: LoadSample, from host: String, at now: Instant) {
        services[sample.service]?.load.add(sample, from: host, at: now)
    }

    mutating func forgetLoad(of host: String) {
        for name in services.keys { services[name]?.load.remove(host) }
    }

    /// Records the load the autoscaler was shown.
    /// - Returns: a piece that is complete now, to be kept.
    mutating func record(_ load: LoadSample, of service: String, now: Instant) -> LoadRecord? {
        services[service]?.recorder.add(load, now: now)
        return services[service]?.recorder.take(now: now)
    }

    mutating func setScaler(_ state: ScalerState, of service: String) { services[service]?.scaler = state }

    mutating func takeLoad(of service: String, expected: [String], now: Instant) -> (sample: LoadSample, complete: Bool)? {
        services[service]?.load.take(service: service, expected: expected, now: now)
    }
}

// MARK: Views

extension FleetBook {
    func view(of name: String) -> ServiceView? {
        guard let service = services[name] else { return nil }
        return ServiceView(
            record: service.record, revisions: service.revisions, rollout: service.rollout,
            replicas: service.replicas.compactMap { replicas[$0]?.view }, watchedSince: watchedSince,
            lacksRoom: service.lacksRoom)
    }

    func hostViews(_ liveness: HostLiveness) -> [HostView] {
        hosts.values.sorted { $0.name < $1.name }.map { host in
            let reserved = reserved[host.name] ?? .nothing
            return HostView(
                record: host, liveness: liveness.liveness(of: host.name), reservedCPU: MilliCPU(reserved.cpu),
                reservedMemory: ByteCount(reserved.memory))
        }
    }

    func assignment(of record: ReplicaRecord) -> Assignment? {
        guard let revision = services[record.service]?.revisions[record.revision] else { return nil }
        return Assignment(
            replica: record.id, service: record.service, revision: record.revision, generation: record.generation,
            desired: record.desired, spec: revision.spec, imageDigest: revision.imageDigest)
    }

    /// The host's full desired state.
    func assignments(of host: String) -> [Assignment] {
        (replicasOfHost[host] ?? []).sorted().compactMap { replicas[$0] }.compactMap { assignment(of: $0.record) }
    }

    /// Manifest digests of everything that may have to run again.
    var imagesInUse: Set<String> { Set(services.values.flatMap { $0.revisions.values.map(\.imageDigest) }) }
}
