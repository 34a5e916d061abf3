import Orchestration
import SidekickModel
import Testing

struct ReplicaLifecyclePropertyTests {
    /// SplitMix64: the seed that is printed gives the same run again.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    /// Orders, wakes, answers, faults, late and early events in any order, checked by the host's strict model at every step; then faults stop,
    /// and whatever was ordered last is reached. Each seed is one such life.
    @Test(arguments: 0..<64)
    func `no order of events wedges it or makes it contradict itself`(block: Int) {
        for seed in UInt64(block) * 50..<UInt64(block) * 50 + 50 {
            var random = Generator(state: seed)
            var host = LifecycleHost(Self.desired(&random)) { spec in
                if Bool.random(using: &random) { spec.health.ready = Probe(); spec.health.ready?.http = "/" }
                if Bool.random(using: &random) { spec.health.live = Probe(); spec.health.live?.http = "/" }
                if Int.random(in: 0..<4, using: &random) == 0 { spec.stop.drain = Milliseconds(0) }
            }
            if Int.random(in: 0..<5, using: &random) == 0 { host.endpoint = nil }
            for _ in 0..<Int.random(in: 1...80, using: &random) { Self.act(&host, &random) }
            host.settle()
            #expect(host.lifecycle.isAtGoal, "seed \(seed): \(host.lifecycle.stage) for \(host.lifecycle.goal)")
            if host.lifecycle.goal == .rung(.online), host.endpoint != nil {
                #expect(host.reported?.ready == true, "seed \(seed): online and never ready")
            }
            host.order(.removed)
            host.settle()
            #expect(host.lifecycle.stage == .removed, "seed \(seed): cannot be removed")
        }
    }

    private static func desired(_ random: inout Generator) -> DesiredState {
        .rung(Rung.allCases.randomElement(using: &random) ?? .online)
    }

    private static func act(_ host: inout LifecycleHost, _ random: inout Generator) {
        host.now = host.now + Milliseconds(Int64.random(in: 0...400, using: &random))
        switch Int.random(in: 0..<20, using: &random) {
        case 0: host.order(desired(&random))
        case 1: host.step(.wakeRequested)
        case 2: host.step(.drained)
        case 3: host.step(.unreachable)
        case 4: host.passDeadline()
        case 5: host.step(.container(attempt: host.lifecycle.memory.attempt - 1, .exited(reason: "late")))
        case 6 where host.exists && (host.runs || host.lifecycle.stage == .prepared):
            host.container(.exited(reason: "exited with code 1"))
        case 7: host.container(.probed(ProbeKind.allCases.randomElement(using: &random) ?? .live, failure: "no"))
        case 8: fault(&host)
        case 9: restart(&host, &random)
        case 10 where Int.random(in: 0..<10, using: &random) == 0:
            var order = host.lifecycle.assignment
            order.revision += 1
            order.generation += 1
            host.step(.assigned(order))
        default:
            guard let event = host.kindestEvent() else { return }
            if case .container(_, let event) = event { host.container(event) } else { host.step(event) }
        }
    }

    /// The outstanding operation fails.
    private static func fault(_ host: inout LifecycleHost) {
        switch host.lifecycle.stage {
        case .staging: host.step(.stagingFailed("no"))
        case .preparing: host.container(.prepareFailed("no"))
        case .starting: host.container(.startFailed("no"))
        case .freezing: host.container(.freezeFailed("no"))
        case .thawing: host.container(.thawFailed("no"))
        case .removing: host.container(.removeFailed("no"))
        default: break
        }
    }

    /// The agent dies and another adopts what stands.
    private static func restart(_ host: inout LifecycleHost, _ random: inout Generator) {
        let old = host.lifecycle
        let state: AdoptedContainer.State? =
            !host.exists
            ? nil
            : host.isFrozen
                ? .frozen
                : host.runs
                    ? .running
                    : old.stage == .prepared ? .prepared : .exited(reason: "exited with code 1")
        let container = state.map {
            AdoptedContainer(
                attempt: old.memory.attempt, revision: old.assignment.revision, state: $0, pid: host.runs ? 7 : nil,
                endpoint: host.endpoint)
        }
        guard old.stage != .removed, !host.signalled else { return }
        host.adopt(old.assignment, memory: old.memory, container: container)
    }
}

extension LifecycleHost {
    mutating func adopt(_ assignment: Assignment, memory: ReplicaMemory, container: AdoptedContainer?) {
        let (lifecycle, actions) = ReplicaLifecycle.begin(
            assignment: assignment, memory: memory, container: container, now: now)
        self.lifecycle = lifecycle
        outstanding = nil
        probes = [:]
        routing = .none
        reported = nil
        perform(actions)
    }
}

struct WakePolicyTests {
    private static func route(concurrency: Int?, maxOnline: Int = 10) -> ServiceRoute {
        ServiceRoute(
            service: "web", generation: 1, ingress: [], concurrency: concurrency, holdDeadline: .seconds(30), holdLimit: 100,
            maxOnline: maxOnline, revision: 2)
    }

    private static func load(inflight: Int, queue: Int) -> LoadSample {
        var sample = LoadSample(service: "web", seconds: 1)
        sample.inflight = inflight
        sample.queue = queue
        return sample
    }

    private static func replicas(_ states: [(Int, WakePolicy.Candidate.State)]) -> [WakePolicy.Candidate] {
        states.enumerated().map {
            WakePolicy.Candidate(replica: ReplicaID(Int64($0.offset + 1)), revision: $0.element.0, state: $0.element.1)
        }
    }

    @Test func `the route's revision goes first, then the readiest, then the lowest number`() {
        let candidates = Self.replicas([
            (1, .standby(.frozen)), (2, .standby(.staged)), (2, .standby(.prepared)), (2, .standby(.prepared)),
            (2, .standby(.frozen)),
            (2, .leaving),
        ])
        let wakes = WakePolicy.wakes(
            load: Self.load(inflight: 100, queue: 100), route: Self.route(concurrency: 1), candidates: candidates)
        #expect(wakes.map(\.number) == [6, 5, 3, 4, 2, 1])
    }

    @Test(
        arguments: [
            (8, 25, 20, 10, 2, 2), (8, 25, 20, 3, 2, 1), (8, 25, 20, 2, 2, 0), (nil, 25, 20, 10, 0, 1), (nil, 25, 20, 10, 1, 0),
            (8, 25, 0, 10, 0, 0), (1, 3, 3, 10, 0, 3),
        ] as [(Int?, Int, Int, Int, Int, Int)])
    func `as many are woken as open requests want slots`(
        concurrency: Int?, inflight: Int, queue: Int, maxOnline: Int, up: Int, wakes: Int
    ) {
        let candidates = Self.replicas(
            (0..<up).map { (2, $0 == 0 ? .ready : .coming) } + (0..<9).map { _ in (2, .standby(.prepared)) })
        let plan = WakePolicy.wakes(
            load: Self.load(inflight: inflight, queue: queue), route: Self.route(concurrency: concurrency, maxOnline: maxOnline),
            candidates: candidates)
        #expect(plan.count == wakes)
    }
}
