import AgentProtocol
import ContainerCore
import ImageStore
import Logging
import NIOCore
import Orchestration
import SidekickModel

/// The agent's state and the one place where it changes. It runs on the same event loop as its connections, probes and timers, so
/// that a message is acted on where it arrives, in order and without a hop.
actor AgentCore {
    typealias HeavyWork = @Sendable (isolated AgentCore) async -> Void

    /// One replica on this host, and what is kept going for it.
    struct Replica {
        var lifecycle: ReplicaLifecycle
        var routing = ReplicaRouting.none
        /// Of the order to the gateways that carries `routing`.
        var orderNumber: Int64 = 0
        /// The address of its container on the bridge.
        var address: String?
        var timer: Scheduled<Void>?
        var timerDeadline: Instant?
        var probes: [ProbeKind: RunningProbe] = [:]
    }

    nonisolated let loop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }

    let configuration: AgentConfiguration
    let identity: HostIdentity
    let runtime: any ContainerRuntime
    let images: any ImageLibrary
    let journal: Journal
    let logger: Logger

    var replicas: [ReplicaID: Replica] = [:]
    /// The replicas of each service, in order.
    var replicasOfService: [String: [ReplicaID]] = [:]
    var routes: [String: ServiceRoute] = [:]
    var epoch: Int64 = 0

    var session: Session?
    /// Reports not sent yet, the newest of each replica.
    var unreported: [ReplicaID: ObservedReplica] = [:]
    var isReportDue = false
    var logReaders: [Int64: Task<Void, Never>] = [:]

    /// 16 at once: moves into cgroups share one grace period of the kernel, so a few more than there are processors pay.
    var line = WorkLine<HeavyWork>(limit: 16)

    /// Connected gateways in the order they said hello: one, or two while one hands over to the next.
    var gateways: [ConnectedGateway] = []
    var drains: DrainLedger
    var drainTimer: Scheduled<Void>?
    var hostLoad = HostLoad()
    /// Numbers orders about replicas to gateways; begins above every number an earlier agent of this boot gave.
    var lastOrderNumber: Int64
    /// Services of which the gateways were told that a held request may hope for a replica here.
    var hopeful: Set<String> = []
    /// What the fleet's gateways know one another by; empty before the controller said it.
    var peeringSecret = ""
    /// Gives every check a number, so that the answer to one that was called off is known as such.
    var lastCheck: UInt64 = 0

    init(
        loop: any EventLoop, configuration: AgentConfiguration, identity: HostIdentity, runtime: any ContainerRuntime,
        images: any ImageLibrary, journal: Journal, logger: Logger
    ) {
        self.loop = loop
        self.configuration = configuration
        self.identity = identity
        self.runtime = runtime
        self.images = images
        self.journal = journal
        self.logger = logger
        let now = Int64(NIODeadline.now().uptimeNanoseconds)
        lastOrderNumber = now
        drains = DrainLedger(now: Instant(nanoseconds: now))
    }

    /// Monotonic.
    nonisolated var now: Instant { Instant(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds)) }
}

/// One gateway of this host, from its hello to the end of its connection.
struct ConnectedGateway {
    var channel: any Channel
    var pid: Int
}

extension AgentCore {
    /// Ends connections, probes and timers; containers are left as they are.
    func stop() {
        session?.end()
        session?.channel.close(promise: nil)
        for gateway in gateways { gateway.channel.close(promise: nil) }
        drainTimer?.cancel()
        for reader in logReaders.values { reader.cancel() }
        for replica in replicas.values {
            replica.timer?.cancel()
            for probe in replica.probes.values { probe.next?.cancel() }
        }
        replicas = [:]
    }
}
