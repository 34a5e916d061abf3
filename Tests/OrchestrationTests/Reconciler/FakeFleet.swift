import Orchestration
import SidekickModel

/// A seeded generator, so that a failing run can be repeated.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    init(seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

/// One service on a few hosts whose agents carry out orders after random delays, fail, vanish and wake by themselves; and a strict
/// check of every action before it is applied.
struct FakeFleet {
    struct Host {
        var up = true
        var changed = Instant.zero
        var draining = false
        var cordoned = false
    }

    /// What an agent really runs, which the controller sees only through reports.
    struct Running {
        var generation: Int64 = 0
        var goal: DesiredState
        var reachesAt: Instant
        var observed: ObservedReplica
    }

    static let step = Milliseconds(250)
    static let lostAfter = Milliseconds.seconds(8)

    var random: SplitMix
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var record: ServiceRecord
    var revisions: [Int: Revision] = [:]
    var brokenRevisions: Set<Int> = []
    var rollout: RolloutRecord?
    var hosts: [String: Host]
    var replicas: [ReplicaID: ReplicaRecord] = [:]
    var running: [ReplicaID: Running] = [:]
    var readySince: [ReplicaID: Instant] = [:]
    var failures: [ReplicaID: Int] = [:]
    var nextID: Int64 = 1
    var slowest: Int64 = 1500
    var problems: [String] = []
    var removedService = false
    var log: [String] = []
    /// What a host has, and what of it others than this service hold.
    var capacity: [String: MilliCPU] = [:]
    var foreign: [String: MilliCPU] = [:]
    var recorded: [FleetEvent] = []
    var lacksRoom = false

    init(seed: Int, hosts count: Int) {
        random = SplitMix(seed: seed)
        record = ServiceRecord(name: "web", revision: 1, createdAt: now)
        hosts = Dictionary(uniqueKeysWithValues: (1...count).map { ("h\($0)", Host()) })
        addRevision { _ in }
        rollout = RolloutRecord(id: 1, service: "web", from: nil, to: 1, startedAt: now, reason: "apply")
    }

    mutating func addRevision(_ change: (inout ServiceSpec) -> Void) {
        let number = (revisions.keys.max() ?? 0) + 1
        var spec = revisions[number - 1]?.spec ?? ServiceSpec(service: "web", image: "web:1")
        change(&spec)
        revisions[number] = Revision(
            service: "web", number: number, spec: spec, imageDigest: "sha256:\(number)", createdAt: now, cause: "apply")
        record.revision = number
    }

    mutating func startRollout() {
        rollout = RolloutRecord(
            id: (rollout?.id ?? 0) + 1, service: "web", from: record.stableRevision, to: record.revision, startedAt: now,
            reason: "apply")
        if revisions[record.revision]?.spec.rollout.canary != nil { rollout?.canary = RolloutRecord.Canary(step: 0, percent: 0) }
    }

    func liveness(_ name: String) -> HostView.Liveness {
        guard let host = hosts[name] else { return .lost }
        if host.up { return .alive }
        return now >= host.changed + Self.lostAfter ? .lost : .suspected
    }

    var hostViews: [HostView] {
        hosts.keys.sorted().map { name in
            var host = HostRecord(
                name: name, labels: [:], cpu: capacity[name] ?? MilliCPU(64_000), memory: .mebibytes(65_536), joinedAt: .zero)
            host.cordoned = hosts[name]?.cordoned == true
            host.draining = hosts[name]?.draining == true
            var view = HostView(
                record: host, liveness: liveness(name), reservedCPU: foreign[name] ?? MilliCPU(0), reservedMemory: ByteCount(0))
            for replica in replicas.values where replica.host == name { view.reserve(holding(replica)) }
            return view
        }
    }

    private func holding(_ replica: ReplicaRecord) -> Reservation {
        let resources = revisions[replica.revision]?.spec.resources ?? Resources()
        return Reservation(resources, desired: replica.desired, observed: running[replica.id]?.observed)
    }

    func events(_ kind: FleetEvent.Kind) -> [FleetEvent] { recorded.filter { $0.kind == kind } }

    var view: ServiceView {
        ServiceView(
            record: record, revisions: revisions, rollout: rollout,
            replicas: replicas.keys.sorted().compactMap { id in
                replicas[id].map {
                    ReplicaView(
                        record: $0, observed: running[id]?.observed, readySince: readySince[id], failures: failures[id] ?? 0)
                }
            }, lacksRoom: lacksRoom)
    }

    // MARK: What agents do

    mutating func runAgents() {
        now = now + Self.step
        for id in replicas.keys.sorted() {
            guard let order = replicas[id], hosts[order.host]?.up == true else { continue }
            if running[id] == nil || running[id]?.generation != order.generation { accept(order) }
            guard var one = running[id], now >= one.reachesAt else { continue }
            settle(&one, order)
            running[id] = one
            if one.observed.ready, readySince[id] == nil { readySince[id] = now }
            if !one.observed.ready { readySince[id] = nil }
        }
    }

    private mutating func accept(_ order: ReplicaRecord) {
        var one =
            running[order.id]
            ?? Running(
                goal: order.desired, reachesAt: now,
                observed: ObservedReplica(
                    replica: order.id, service: "web", revision: order.revision, generation: order.generation, phase: .starting))
        one.generation = order.generation
        one.observed.generation = order.generation
        if order.desired == .rung(.online) && one.observed.rung == .online {
            one.observed.wokenLocally = false
            one.goal = order.desired
        } else {
            one.goal = order.desired
            one.reachesAt = now + Milliseconds(Int64.random(in: 1...slowest, using: &random))
            let down = one.observed.rung == .online
            one.observed.phase = down ? .draining : .starting
            one.observed.ready = false
            readySince[order.id] = nil
        }
        running[order.id] = one
    }

    private mutating func settle(_ one: inout Running, _ order: ReplicaRecord) {
        if one.observed.wokenLocally { return }
        switch one.goal {
        case .removed:
            one.observed.phase = .removed
            one.observed.ready = false
            one.observed.rung = nil
        case .rung(let rung):
            if rung == .online && brokenRevisions.contains(order.revision) {
                one.observed.phase = .failed
                one.observed.ready = false
                one.observed.rung = nil
                failures[order.id, default: 0] += 1
                one.reachesAt = now + .seconds(2)
                return
            }
            one.observed.phase = .settled
            one.observed.rung = rung
            one.observed.ready = rung == .online
        }
    }

    mutating func wakeSomething() {
        let able = replicas.keys.sorted().filter { id in
            guard let one = running[id], let order = replicas[id], hosts[order.host]?.up == true else { return false }
            guard one.observed.phase == .settled, one.observed.rung.map({ $0 < .online }) == true else { return false }
            return !brokenRevisions.contains(order.revision)
        }
        guard let id = able.randomElement(using: &random) else { return }
        running[id]?.observed.rung = .online
        running[id]?.observed.ready = true
        running[id]?.observed.wokenLocally = true
        readySince[id] = now
    }

    mutating func setHost(_ name: String, up: Bool) {
        guard hosts[name]?.up != up else { return }
        hosts[name]?.up = up
        hosts[name]?.changed = now
    }

    // MARK: What the controller does

    /// Checks and applies one step's actions; returns them.
    @discardableResult mutating func reconcile() -> [FleetAction] {
        let before = view
        let hosts = hostViews
        let actions = Reconciler.actions(for: before, hosts: hosts, now: now)
        if Reconciler.actions(for: before, hosts: hosts, now: now) != actions { problems.append("not a function of its input") }
        check(actions, before)
        for action in actions { apply(action) }
        if !actions.isEmpty { log.append("\((now.nanoseconds - 1_000_000_000_000) / 1_000_000)ms \(actions.map(brief))") }
        return actions
    }

    private func brief(_ action: FleetAction) -> String {
        switch action {
        case .create(_, let revision, let host, let desired): "create \(revision) on \(host) \(brief(desired))"
        case .order(let id, let desired): "\(id)(\(replicas[id]?.revision ?? 0)) \(brief(desired))"
        case .forget(let id): "forget \(id)"
        case .rollout(let rollout): "rollout \(rollout.from ?? 0)->\(rollout.to) \(rollout.phase) \(rollout.reason)"
        case .stable(_, let revision): "stable \(revision)"
        case .removeService: "remove service"
        case .event(let event): event.kind.rawValue
        }
    }

    private func brief(_ desired: DesiredState) -> String {
        switch desired {
        case .removed: "removed"
        case .rung(let rung): rung.rawValue
        }
    }

    private mutating func apply(_ action: FleetAction) {
        switch action {
        case .create(let service, let revision, let host, let desired):
            let id = ReplicaID(nextID)
            nextID += 1
            replicas[id] = ReplicaRecord(
                id: id, service: service, revision: revision, host: host, desired: desired, generation: 1, createdAt: now)
        case .order(let id, let desired):
            replicas[id]?.desired = desired
            replicas[id]?.generation += 1
            replicas[id]?.changedAt = now
        case .forget(let id):
            replicas[id] = nil
            running[id] = nil
            readySince[id] = nil
            failures[id] = nil
        case .rollout(let new): rollout = new
        case .stable(_, let revision): record.stableRevision = revision
        case .removeService: removedService = true
        case .event(let event):
            recorded.append(event)
            if event.kind == .noRoom || event.kind == .roomFound { lacksRoom = event.kind == .noRoom }
        }
    }
}
