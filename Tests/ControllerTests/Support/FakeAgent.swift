import AgentProtocol
import NIOCore
import NIOPosix
import SidekickModel
import Synchronization
import Testing

/// An agent without containers: speaks the real protocol over real TCP, does as it is told at once, and remembers everything.
///
/// A spec whose environment has `BROKEN` fails to start, twice per order; one with `SILENT` never answers.
final class FakeAgent: Sendable {
    struct State {
        var epoch: Int64 = 0
        var syncs = 0
        var heartbeats = 0
        var refused: String?
        var closed = false
        var assignments: [ReplicaID: Assignment] = [:]
        var routes: [String: ServiceRoute] = [:]
        var observed: [ReplicaID: ObservedReplica] = [:]
        var forgotten: Set<ReplicaID> = []
        /// Every order ever received, in order.
        var orders: [Assignment] = []
        var logRequests: [Int64] = []
        var cancelledLogs: [Int64] = []
        var peering: String?
        /// Services whose volumes it was told to remove.
        var lostVolumes: [String] = []

        /// Replicas that serve, in order.
        var online: [ObservedReplica] {
            observed.values.filter { $0.ready && $0.rung == .online }.sorted { $0.replica < $1.replica }
        }
    }

    let name: String
    let secret: String
    /// Where its gateway takes requests of others.
    let gateway: String?
    private let state: Mutex<State>
    private let channel = Mutex<(any Channel)?>(nil)

    init(_ name: String = "host-a", secret: String = "secret", gateway: String? = nil) {
        self.gateway = gateway
        self.name = name
        self.secret = secret
        state = Mutex(State())
    }

    var now: State { state.withLock { $0 } }

    /// Says hello with everything it runs.
    func connect(port: Int, hello: Bool = true) async throws {
        state.withLock { $0.closed = false }
        let new = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(Handler(agent: self))
            }
        }.connect(host: "127.0.0.1", port: port).get()
        channel.withLock { $0 = new }
        guard hello else { return }
        let identity = HostIdentity(
            host: name, bootID: "boot", version: "test", cpu: MilliCPU(64_000), memory: .mebibytes(65_536), labels: [:],
            gateway: gateway)
        send(.hello(identity: identity, secret: secret, observed: Array(now.observed.values)))
    }

    func disconnect() async throws {
        if let channel = channel.withLock({ $0.take() }) { try await channel.close().get() }
    }

    func send(_ message: AgentMessage) { send(bytes: message.frame()) }

    func send(bytes: [UInt8]) { channel.withLock { $0 }?.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

    /// A gateway's report of one second.
    func sendLoad(_ service: String, inflight: Int, queue: Int = 0, wait: Double = 0) {
        var sample = LoadSample(service: service, seconds: 1)
        sample.inflight = inflight
        sample.busy = inflight - queue
        sample.queue = queue
        sample.oldestWait = wait
        sample.averageInflight = Double(inflight)
        sample.averageBusy = Double(inflight - queue)
        sample.busyTime = Double(inflight - queue)
        sample.peakInflight = inflight
        sample.arrivals = inflight * 10
        sample.completions = (inflight - queue) * 10
        send(.load([sample]))
    }

    fileprivate func receive(_ message: ControllerMessage) {
        switch message {
        case .sync(let epoch, let assignments, let routes):
            state.withLock { state in
                state.epoch = epoch
                state.syncs += 1
                let named = Set(assignments.map(\.replica))
                state.observed = state.observed.filter { named.contains($0.key) }
                state.assignments = [:]
                state.routes = Dictionary(uniqueKeysWithValues: routes.map { ($0.service, $0) })
            }
            obey(assignments)
        case .assignments(let assignments): obey(assignments)
        case .routes(let routes):
            state.withLock { state in for route in routes { state.routes[route.service] = route } }
        case .removeRoutes(let names): state.withLock { state in for name in names { state.routes[name] = nil } }
        case .forget(let ids):
            state.withLock { state in
                for id in ids {
                    state.observed[id] = nil
                    state.assignments[id] = nil
                    state.forgotten.insert(id)
                }
            }
        case .refused(let reason): state.withLock { $0.refused = reason }
        case .heartbeat:
            state.withLock { $0.heartbeats += 1 }
            send(.heartbeat)
        case .readLogs(let request, _, _, _): state.withLock { $0.logRequests.append(request) }
        case .cancelLogs(let request): state.withLock { $0.cancelledLogs.append(request) }
        case .removeVolumes(let services): state.withLock { $0.lostVolumes += services }
        case .peering(let secret): state.withLock { $0.peering = secret }
        }
    }

    private func obey(_ assignments: [Assignment]) {
        let reports = state.withLock { state in
            var reports: [ObservedReplica] = []
            for order in assignments {
                state.orders.append(order)
                state.assignments[order.replica] = order
                let steps = Self.outcome(of: order, before: state.observed[order.replica])
                if let last = steps.last { state.observed[order.replica] = last }
                reports += steps
            }
            return reports
        }
        if !reports.isEmpty { send(.observed(reports)) }
    }

    private static func outcome(of order: Assignment, before: ObservedReplica?) -> [ObservedReplica] {
        guard order.spec.env["SILENT"] == nil else { return [] }
        var report = ObservedReplica(
            replica: order.replica, service: order.service, revision: order.revision, generation: order.generation,
            phase: .settled)
        report.starts = before?.starts ?? 0
        switch order.desired {
        case .removed: report.phase = .removed
        case .rung(.online) where order.spec.env["BROKEN"] != nil:
            report.phase = .failed
            report.failure = "exited with code 1"
            return [1, 2].map { starts in
                var failed = report
                failed.starts += starts
                return failed
            }
        case .rung(let rung):
            report.rung = rung
            guard rung == .online else { break }
            if before?.ready != true { report.starts += 1 }
            report.ready = true
            report.endpoint = "10.0.0.\(order.replica.number % 250):8080"
            report.startTook = Milliseconds(120)
        }
        return [report]
    }

    fileprivate func ended() { state.withLock { $0.closed = true } }
}

private final class Handler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let agent: FakeAgent
    private var decoder = FrameDecoder()

    init(agent: FakeAgent) { self.agent = agent }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        do {
            while let frame = try decoder.next() { agent.receive(try ControllerMessage(frame: frame)) }
        } catch {
            Issue.record("the controller sent what cannot be read: \(error)")
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { agent.ended() }
}
