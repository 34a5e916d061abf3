import ControlAPI
import ControllerStore
import Logging
import Orchestration
import SidekickModel

/// Runs the controller's one loop: takes what came in, looks at what changed, asks Orchestration, commits, then sends.
///
/// Everything that writes goes through `run`, one command after the other, so that no decision is made from a state another write is
/// about to change. Reads see the state as of the last commit.
actor Conductor {
    enum Command: Sendable {
        case session(SessionEvent)
        case tick
        /// A service that rested has its turn.
        case turn
        case operation(Operation)
    }

    /// An operator's request, to be carried out by the loop; `abandon` is called instead when the loop has ended.
    struct Operation: Sendable {
        var carryOut: @Sendable (isolated Conductor) async -> Void
        var abandon: @Sendable () -> Void
    }

    /// Services are looked at for this long after the last thing happened to them, with every tick, since some decisions wait for time.
    static let warmth = Milliseconds.seconds(10)
    /// Every service is looked at this often, whatever happened.
    static let sweep = Milliseconds.seconds(30)

    let store: any FleetStore
    let clock: SteadyClock
    let timings: ControllerTimings
    let joinSecret: String
    /// What gateways of this fleet know one another by.
    let peeringSecret: String
    let logger: Logger
    nonisolated let inbox = Inbox<Command>()
    nonisolated let feed = ChangeFeed()

    var book: FleetBook
    var liveness: HostLiveness
    /// The sessions in force, by host.
    var sessions: [String: AgentSession] = [:]
    var hostOfSession: [Int64: String] = [:]
    var versions: [String: String] = [:]
    /// Where each host's gateway takes requests of others, as its agent said last.
    var gateways: [String: String] = [:]
    /// Last liveness acted upon, by host.
    var lastLiveness: [String: HostView.Liveness] = [:]
    /// Services to look at now.
    var dirty: Set<String> = []
    var pacing = LookPacing()
    private var turnIsDue: Instant?
    var warmUntil: [String: Instant] = [:]
    /// Services whose gateways hold requests: the autoscaler is asked out of turn.
    var urgent: Set<String> = []
    /// Services being deleted whose named volumes are to go with them.
    var losingVolumes: Set<String> = []
    /// Goes with the next commit.
    var pending: [FleetWrite] = []
    var lastSweep: Instant
    /// The route each service had when it was last sent.
    var routes: [String: ServiceRoute] = [:]
    var routeGeneration: Int64
    /// When an event about a refused host was last recorded, by host.
    var refusals: [String: Instant] = [:]
    var counters = ConductorCounters()

    init(
        store: any FleetStore, timings: ControllerTimings, joinSecret: String, logger: Logger
    ) async throws(StoreError) {
        self.store = store
        self.timings = timings
        self.joinSecret = joinSecret
        peeringSecret = PeeringSecret.derive(from: joinSecret)
        self.logger = logger
        let clock = SteadyClock()
        let now = clock.now()
        self.clock = clock
        book = FleetBook(try await store.load(), now: now)
        liveness = HostLiveness(durations: timings.liveness, now: now)
        lastSweep = now
        // Rises over restarts too, since the epoch does.
        routeGeneration = store.epoch << 32
        dirty = Set(book.services.keys)
        for name in dirty { warmUntil[name] = now + Self.warmth }
    }

    /// Runs until the inbox is closed, then ends every session; a commit under way is finished first.
    func run() async {
        note(FleetEvent(at: clock.now(), kind: .controllerStarted, message: "controller started, epoch \(store.epoch)"))
        let interval = timings.tick
        let inbox = inbox
        let ticker = Task {
            while !Task.isCancelled {
                inbox.put(.tick)
                try? await Task.sleep(for: .milliseconds(interval.count))
            }
        }
        for await _ in inbox.wakes {
            for command in inbox.take() { await carryOut(command) }
            await settle()
            feed.wakeAll()
        }
        ticker.cancel()
        feed.finish()
        for session in sessions.values { session.close() }
        for case .operation(let operation) in inbox.take() { operation.abandon() }
    }

    private func carryOut(_ command: Command) async {
        switch command {
        case .session(let event): handle(event)
        case .tick: lookAtTime()
        case .turn: turnIsDue = nil
        case .operation(let operation): await operation.carryOut(self)
        }
    }

    /// Comes back when the first service that rests has its turn.
    func awaitTurn() {
        guard let turn = pacing.nextTurn(among: dirty), turnIsDue.map({ $0 > turn }) ?? true else { return }
        turnIsDue = turn
        let delay = max(0, turn - clock.now())
        let inbox = inbox
        Task {
            try? await Task.sleep(for: .seconds(delay))
            inbox.put(.turn)
        }
    }

    /// Something happened to the service: it is looked at in this round, and with each tick for a while.
    func touch(_ service: String) {
        dirty.insert(service)
        feed.mark(service)
        warmUntil[service] = clock.now() + Self.warmth
    }

    /// Commits, takes the result in, and sends what agents have to know. A failure has changed nothing.
    func commit(_ writes: [FleetWrite]) async throws(StoreError) {
        guard !writes.isEmpty else { return }
        let facts = try await store.commit(writes, now: clock.now())
        counters.commits += 1
        book.apply(facts)
        send(facts)
        publish(facts)
    }

    private func publish(_ facts: [FleetFact]) {
        for fact in facts {
            switch fact {
            case .service(let record): feed.mark(record.name)
            case .replica(let record), .replicaGone(let record): feed.mark(record.service)
            case .rollout(let record): feed.mark(record.service)
            case .revision(let revision): feed.mark(revision.service)
            case .serviceGone(let name): feed.publish(.serviceGone(name))
            case .decision(let decision): feed.publish(.decision(decision))
            case .event(let event): feed.publish(.event(event))
            case .host, .hostGone: break
            }
        }
    }

    /// Records what happened, with this round's commit.
    func note(_ event: FleetEvent) { pending.append(.action(.event(event))) }
}

/// What the metrics count of the loop.
struct ConductorCounters: Sendable {
    var commits = 0
    var rounds = 0
    var decisions = 0
    var storeFailures = 0
    var refusedHosts = 0
}

// MARK: Operators' requests

extension Conductor {
    /// Carries `body` out as one command of the loop.
    nonisolated func submit<Result: Sendable>(
        _ body: @escaping @Sendable (isolated Conductor) async throws(APIFailure) -> Result
    ) async throws(APIFailure) -> Result {
        let outcome = await withCheckedContinuation {
            (continuation: CheckedContinuation<Swift.Result<Result, APIFailure>, Never>) in
            let stopping = APIFailure(.unavailable, "the controller is stopping; ask again once it runs")
            let operation = Operation(
                carryOut: { conductor in
                    do throws(APIFailure) {
                        continuation.resume(returning: .success(try await body(conductor)))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                },
                abandon: { continuation.resume(returning: .failure(stopping)) })
            if !inbox.put(.operation(operation)) { operation.abandon() }
        }
        return try outcome.get()
    }

    /// As `commit`, for the operator who caused it.
    func commit(for operation: String, _ writes: [FleetWrite]) async throws(APIFailure) {
        do {
            try await commit(writes)
        } catch {
            counters.storeFailures += 1
            let code: APIFailure.Code =
                switch error.code {
                case .conflict: .conflict
                case .full, .readOnly, .inUse: .unavailable
                default: .internalFailure
                }
            throw APIFailure(code, "\(operation): \(error)")
        }
    }
}
