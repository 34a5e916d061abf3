import Orchestration
import SidekickModel
import Testing

/// A host for one lifecycle: keeps what its actions made of the world and refuses an action that contradicts it.
struct LifecycleHost {
    var lifecycle: ReplicaLifecycle
    var now = Instant(nanoseconds: 1_000_000_000)
    var endpoint: String? = "10.0.0.2:80"
    /// What came last, reports and memories left out.
    var last: [LifecycleAction] = []
    var reported: ObservedReplica?
    var routing = ReplicaRouting.none
    var probes: [ProbeKind: (order: ProbeOrder, eager: Bool)] = [:]
    /// The container operation that has not been answered.
    var outstanding: LifecycleAction?
    /// The process runs (it may be frozen).
    var runs = false
    var isFrozen = false
    var exists = false
    var signalled = false
    var removedForGood = false

    init(
        _ desired: DesiredState, memory: ReplicaMemory = ReplicaMemory(), container: AdoptedContainer? = nil,
        change: (inout ServiceSpec) -> Void = { _ in }
    ) {
        var spec = ServiceSpec(service: "web", image: "web:1")
        spec.ports = ["http": 80]
        change(&spec)
        let assignment = Assignment(
            replica: ReplicaID(1), service: "web", revision: 1, generation: 1, desired: desired, spec: spec,
            imageDigest: "sha256:1")
        let (lifecycle, actions) = ReplicaLifecycle.begin(
            assignment: assignment, memory: memory, container: container, now: now)
        self.lifecycle = lifecycle
        exists = container != nil
        runs = container?.state == .running || container?.state == .frozen
        isFrozen = container?.state == .frozen
        perform(actions)
    }

    var connectProbe: Probe {
        var probe = Probe()
        probe.tcp = "http"
        probe.every = Milliseconds(500)
        return probe
    }

    func expect(_ actions: [LifecycleAction], _ location: SourceLocation = #_sourceLocation) {
        #expect(last == actions, sourceLocation: location)
    }

    mutating func step(_ event: LifecycleEvent) {
        perform(lifecycle.step(event, now: now))
    }

    mutating func container(_ event: ContainerEvent) {
        switch event {
        case .prepared: (exists, outstanding) = (true, nil)
        case .started: (runs, outstanding) = (true, nil)
        case .frozen: (isFrozen, outstanding) = (true, nil)
        case .thawed: (isFrozen, outstanding) = (false, nil)
        case .prepareFailed, .startFailed, .freezeFailed, .thawFailed: outstanding = nil
        case .exited: (runs, isFrozen) = (false, false)
        case .removed: (exists, runs, isFrozen, outstanding) = (false, false, false, nil)
        case .removeFailed, .probed, .lastWords: break
        }
        step(.container(attempt: lifecycle.memory.attempt, event))
    }

    mutating func order(_ desired: DesiredState) {
        var order = lifecycle.assignment
        order.generation += 1
        order.desired = desired
        step(.assigned(order))
    }

    mutating func passDeadline() {
        if let deadline = lifecycle.deadline { now = max(now, deadline) }
        step(.deadlinePassed)
    }

    /// Answers whatever is outstanding with success; probes pass, signals are obeyed, drains end, waits are waited for.
    mutating func settle(until stage: ReplicaLifecycle.Stage? = nil, _ location: SourceLocation = #_sourceLocation) {
        for _ in 0..<100 {
            guard lifecycle.stage != stage, let event = kindestEvent() else { return }
            switch event {
            case .container(_, let event): container(event)
            case .deadlinePassed: passDeadline()
            default: step(event)
            }
        }
        Issue.record("does not settle: \(lifecycle.stage) \(lifecycle.goal)", sourceLocation: location)
    }

    /// The event a host without faults brings next; nil when nothing more is to come.
    func kindestEvent() -> LifecycleEvent? {
        func answer(_ event: ContainerEvent) -> LifecycleEvent { .container(attempt: lifecycle.memory.attempt, event) }
        switch lifecycle.stage {
        case .absent, .exited: return lifecycle.deadline == nil ? nil : .deadlinePassed
        case .staging: return .staged
        case .staged: return lifecycle.isAtGoal ? nil : .deadlinePassed
        case .preparing: return answer(.prepared(endpoint: endpoint))
        case .starting: return answer(.started(pid: 7))
        case .probing: return answer(.probed(.startup, failure: nil))
        case .running:
            if probes[.ready] != nil, endpoint != nil, !isReady { return answer(.probed(.ready, failure: nil)) }
            return nil
        case .freezing: return answer(.frozen)
        case .thawing: return answer(.thawed)
        case .draining: return .drained
        case .stopping, .killing: return answer(.exited(reason: "exited with code 0"))
        case .removing: return answer(.removed)
        case .prepared, .frozen, .removed: return nil
        }
    }

    private var isReady: Bool { if case .ready = routing { true } else { false } }
}

extension LifecycleHost {
    /// The strict model: what each action needs to hold, and what it makes of the world.
    mutating func perform(_ actions: [LifecycleAction]) {
        last = actions.filter {
            switch $0 {
            case .report, .remember: false
            default: true
            }
        }
        for action in actions { perform(action) }
        if isReady { #expect(runs && !isFrozen && !signalled, "routed to what cannot serve: \(lifecycle.stage)") }
        if lifecycle.stage == .removed { #expect(!exists && probes.isEmpty && routing == .none) }
    }

    private mutating func perform(_ action: LifecycleAction) {
        #expect(!removedForGood || action.isReport, "\(action) after it was removed")
        switch action {
        case .stage: break
        case .prepare: begin(action, when: !exists)
        case .start: begin(action, when: exists && !runs)
        case .freeze:
            begin(action, when: exists && !isFrozen)
            #expect(routing == .none, "frozen under requests")
        case .thaw: begin(action, when: isFrozen)
        case .remove:
            outstanding = nil
            begin(action, when: true)
            signalled = false
            #expect(routing == .none && probes.isEmpty)
        case .signal:
            #expect(!signalled && outstanding == nil && !isFrozen && exists)
            signalled = true
            #expect(!isReady, "stopped while it gets requests")
        case .kill: #expect(!isReady)
        case .startProbe(let order, let eager):
            #expect(probes[order.kind] == nil && order.attempt == lifecycle.memory.attempt)
            probes[order.kind] = (order, eager)
        case .stopProbe(let kind): #expect(probes.removeValue(forKey: kind) != nil)
        case .probeNow(let kind): #expect(probes[kind] != nil)
        case .route(let route):
            #expect(route != routing)
            routing = route
        case .remember: break
        case .report(let report):
            check(report)
            reported = report
            removedForGood = report.phase == .removed
        }
    }

    private mutating func begin(_ action: LifecycleAction, when allowed: Bool) {
        #expect(outstanding == nil, "\(action) while \(String(describing: outstanding)) is not answered")
        #expect(allowed, "\(action) contradicts the world at \(lifecycle.stage)")
        outstanding = action
    }

    /// Reports only move forward: generations and starts never fall, and within one attempt the phases come in their order.
    private func check(_ report: ObservedReplica) {
        guard let reported else { return }
        #expect(report != reported && report.generation >= reported.generation && report.starts >= reported.starts)
        #expect(!report.ready || report.phase == .settled)
    }
}

extension LifecycleAction {
    var isReport: Bool {
        switch self {
        case .report, .remember: true
        default: false
        }
    }
}
