import AgentProtocol
import EventLoop
import LinuxShims
import Logging
import Orchestration
import SidekickModel
import Synchronization

/// What the loops of one gateway share, and how they reach one another.
///
/// Sendable without the compiler's check because `workers` and `control` are set once, before any loop runs.
final class Hub: @unchecked Sendable {
    let log: Logger
    /// nil when no TLS is spoken.
    let tls: GatewayTLS?
    /// nil when plain requests are served like any other.
    let redirect: TLSRedirect?
    let targets = TargetTable()
    let routes = RouteBoard()
    let replicas = ReplicaBoard()
    let peering = Peering()
    /// Counts what was refused before a service was known.
    let unrouted = StatusCounts()
    /// Open client connections over all loops.
    let connections = Atomic<Int>(0)
    let connectionLimit: Int
    /// nil when a source may have any number.
    let sources: SourceCounts?
    /// Connections refused because of a limit.
    let refusedConnections = Atomic<UInt64>(0)
    let accessLog: AccessLogWriter?
    private(set) var workers: [Worker] = []
    private(set) var control: Control?

    init(
        configuration: GatewayConfiguration, loops: [EventLoop], controlLoop: EventLoop, tls: GatewayTLS?, redirect: TLSRedirect?,
        accessLog: AccessLogWriter?, log: Logger
    ) {
        self.log = log
        self.tls = tls
        self.redirect = redirect
        self.accessLog = accessLog
        connectionLimit = Self.connectionLimit(configuration.maximumConnections, log)
        sources = configuration.connectionsPerSource.map(SourceCounts.init)
        workers = loops.enumerated().map { Worker(index: $0.offset, loop: $0.element, hub: self, configuration: configuration) }
        control = Control(loop: controlLoop, hub: self, configuration: configuration)
    }

    /// As many as asked for, or what three quarters of the descriptors this process may have allow: the rest is for connections to
    /// replicas.
    private static func connectionLimit(_ wanted: Int, _ log: Logger) -> Int {
        let descriptors = sk_raise_descriptor_limit()
        guard descriptors >= 0, Int64(wanted) > descriptors / 4 * 3 else { return wanted }
        let possible = max(16, Int(descriptors / 4 * 3))
        log.notice("at most \(possible) client connections, as this process may open \(descriptors) files: see ulimit -n")
        return possible
    }

    /// Does what a service's admission said. `worker` is the one whose loop is running, nil on the control loop.
    func perform(_ action: AdmissionAction, of service: ServiceEntry, on worker: Worker?) {
        switch action {
        case .hold: break
        case .forward(let id, let ref, let target):
            let owner = workers[Int(id.number >> 56)]
            if owner === worker {
                owner.forward(id, service, ref, target)
            } else {
                owner.loop.submit { owner.forward(id, service, ref, target) }
            }
        case .refuse(let id, let why):
            let owner = workers[Int(id.number >> 56)]
            if owner === worker { owner.refuse(id, why) } else { owner.loop.submit { owner.refuse(id, why) } }
        case .notifyHeld: onControl { $0.held(service) }
        case .notifyDrained(let replica, let number): onControl { $0.tell(.drained(replica, number: number)) }
        case .notifyEjected(let replica, let span):
            service.ejections.wrappingAdd(1, ordering: .relaxed)
            log.warning("\(replica) of \(service.name) kept failing and gets no requests for \(span)")
        case .notifyUnreachable(let replica): onControl { $0.tell(.unreachable(replica)) }
        }
    }

    func planTick(_ service: ServiceEntry, at time: Instant) { onControl { $0.planTick(service, at: time) } }

    /// Runs `work` on the control loop.
    func onControl(_ work: @escaping @Sendable (Control) -> Void) {
        guard let control else { return }
        control.loop.submit { work(control) }
    }
}
