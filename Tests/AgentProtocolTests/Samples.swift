import AgentProtocol
import SidekickModel

/// Messages of every case with every field set, and with none; what the tests send over the wire.
enum Samples {
    static let fullSpec: ServiceSpec = {
        var spec = ServiceSpec(service: "web", image: "web:1.4.2")
        spec.command = ["/bin/web", "--port", "8080", ""]
        spec.ports = ["http": 8080, "admin": 9090, "metrics": 9091]
        spec.ingress = [IngressRule(host: "web.example.com"), IngressRule(host: "*", path: "/api")]
        spec.env = ["LOG_LEVEL": "info", "EMPTY": "", "NAME": "Größe 🚲"]
        spec.resources.cpu = MilliCPU(500)
        spec.resources.memory = .mebibytes(256)
        spec.resources.pids = 200
        spec.replicas.min = 1
        spec.replicas.max = 20
        spec.replicas.standby = .count(0)
        spec.replicas.rung = .frozen
        spec.scale.concurrency = 8
        spec.scale.wait = Milliseconds(150)
        spec.scale.holdDeadline = .seconds(5)
        spec.scale.holdLimit = 0
        spec.scale.idle = .seconds(7)
        var startup = Probe()
        startup.exec = []
        startup.every = Milliseconds(100)
        var ready = Probe()
        ready.http = "/healthz"
        ready.timeout = Milliseconds(250)
        var live = Probe()
        live.tcp = "admin"
        live.failures = 9
        spec.health.startup = startup
        spec.health.ready = ready
        spec.health.live = live
        spec.health.startTimeout = .seconds(11)
        spec.rollout.maxSurge = 2
        spec.rollout.maxUnavailable = 3
        spec.rollout.bake = .seconds(4)
        spec.rollout.deadline = .seconds(5)
        spec.rollout.failures = 6
        spec.rollout.onFailure = .pause
        spec.stop.signal = "QUIT"
        spec.stop.grace = .seconds(1)
        spec.stop.drain = Milliseconds(0)
        return spec
    }()

    static func assignment(_ id: Int64, _ desired: DesiredState, spec: ServiceSpec = fullSpec) -> Assignment {
        Assignment(
            replica: ReplicaID(id), service: spec.service, revision: 3, generation: id + 40, desired: desired, spec: spec,
            imageDigest: "sha256:0f")
    }

    static let assignments: [Assignment] =
        Rung.allCases.enumerated().map { assignment(Int64($0.offset) + 1, .rung($0.element)) } + [
            assignment(9, .removed, spec: ServiceSpec(service: "plain", image: "plain"))
        ]

    static let route = ServiceRoute(
        service: "web", generation: 12, ingress: fullSpec.ingress, concurrency: 8, holdDeadline: .seconds(30), holdLimit: 100,
        maxOnline: 20, revision: 3)
    static let plainRoute = ServiceRoute(
        service: "plain", generation: 0, ingress: [], concurrency: nil, holdDeadline: Milliseconds(0), holdLimit: 0,
        maxOnline: 0, revision: 0)

    static let observed: [ObservedReplica] = ObservedReplica.Phase.allCases.enumerated().map { index, phase in
        ObservedReplica(
            replica: ReplicaID(Int64(index)), service: "web", revision: index, generation: Int64(index), phase: phase)
    }
    static let fullObserved: ObservedReplica = {
        var full = ObservedReplica(replica: ReplicaID(1 << 62), service: "web", revision: 7, generation: 99, phase: .settled)
        full.rung = .online
        full.ready = true
        full.wokenLocally = true
        full.endpoint = "10.88.0.5:8080"
        full.pid = 0
        full.starts = 4
        full.startTook = Milliseconds(0)
        full.failure = ""
        return full
    }()

    static let load: LoadSample = {
        var load = LoadSample(service: "web", seconds: 1.002)
        load.inflight = 12
        load.busy = 8
        load.queue = 4
        load.oldestWait = 0.031
        load.averageInflight = 9.5
        load.averageBusy = 7.25
        load.busyTime = 7.3
        load.peakInflight = 15
        load.arrivals = 400
        load.completions = 396
        load.failures = 1
        return load
    }()

    static let identity = HostIdentity(
        host: "h1", bootID: "b-1", version: "0.1.0", cpu: MilliCPU(2000), memory: .mebibytes(4096),
        labels: ["zone": "a", "disk": "ssd", "rack": "7"])

    static let agentMessages: [AgentMessage] = [
        .hello(identity: identity, secret: "s3cret", observed: observed + [fullObserved]),
        .hello(
            identity: HostIdentity(
                host: "", bootID: "", version: "", cpu: MilliCPU(0), memory: ByteCount(0), labels: [:]),
            secret: "", observed: []),
        .observed([fullObserved]), .observed([]),
        .load([load, LoadSample(service: "idle", seconds: 0)]), .load([]),
        .logs(request: 5, bytes: [0, 255, 10, 0], end: false, failure: nil),
        .logs(request: 6, bytes: [], end: true, failure: "no such replica"),
        .heartbeat,
    ]

    static let controllerMessages: [ControllerMessage] = [
        .sync(epoch: 1 << 62, assignments: assignments, routes: [route, plainRoute]),
        .sync(epoch: 0, assignments: [], routes: []),
        .refused(reason: "the join token has expired"),
        .assignments(assignments), .assignments([]),
        .routes([route]), .routes([]),
        .removeRoutes(["a", "b"]), .removeRoutes([]),
        .forget([ReplicaID(1), ReplicaID(2)]), .forget([]),
        .readLogs(request: 5, replica: ReplicaID(3), tail: 100, follow: true),
        .cancelLogs(request: 5),
        .heartbeat,
    ]

    /// What later releases say beside it.
    static let newerControllerMessages: [ControllerMessage] = [
        .routes([peeredRoute, lonelyRoute]), .peering(secret: "0f"), .removeVolumes(["db", "web"]),
        .assignments([assignment(1, .rung(.online), spec: volumesSpec)]),
    ]

    static let volumesSpec: ServiceSpec = {
        var named = VolumeSpec(), host = VolumeSpec(), memory = VolumeSpec()
        named.name = "data"
        named.path = "/var/lib/db"
        host.host = "/etc/ssl"
        host.path = "/etc/ssl"
        host.readOnly = true
        memory.tmpfs = .mebibytes(64)
        memory.path = "/scratch"
        var spec = ServiceSpec(service: "db", image: "db:1")
        spec.volumes = [named, host, memory]
        return spec
    }()

    static let peeredRoute: ServiceRoute = {
        var peered = route
        peered.peers = [RoutePeer(host: "h2", address: "10.0.0.2:8081", zone: "b", online: 3, standby: 0)]
        return peered
    }()
    static let lonelyRoute: ServiceRoute = {
        var lonely = route
        lonely.peers = []
        return lonely
    }()

    static let gatewayMessages: [GatewayMessage] = [
        .hello(version: "0.1.0", pid: 4711), .load([load]), .load([]), .held(load), .drained(ReplicaID(4)),
        .unreachable(ReplicaID(0)),
    ]

    static let newerGatewayMessages: [GatewayMessage] = [.drained(ReplicaID(4), number: 1 << 50)]

    static let service = GatewayService(
        route: route,
        endpoints: [
            GatewayEndpoint(replica: ReplicaID(1), revision: 3, address: "10.88.0.5:8080", draining: false),
            GatewayEndpoint(replica: ReplicaID(2), revision: 2, address: "10.88.0.6:8080", draining: true),
        ])

    static let gatewayOrders: [GatewayOrder] = [
        .sync([service, GatewayService(route: plainRoute, endpoints: [])]), .sync([]), .service(service), .removeService("web"),
    ]

    static let newerGatewayOrders: [GatewayOrder] = [
        .service(
            GatewayService(
                route: route,
                endpoints: [
                    GatewayEndpoint(replica: ReplicaID(1), revision: 3, address: "10.88.0.5:8080", draining: true, number: 9)
                ], peers: [GatewayPeer(address: "10.0.0.2:8081", near: true, online: 2, standby: 1)], standby: 3)),
        .peering(secret: "0f"),
    ]

    /// Every sample as bytes on the wire.
    static var allFrames: [[UInt8]] {
        agentMessages.map { $0.frame() } + controllerMessages.map { $0.frame() } + gatewayMessages.map { $0.frame() }
            + gatewayOrders.map { $0.frame() }
    }
}

/// The one frame `bytes` hold.
func onlyFrame(_ bytes: [UInt8]) throws -> Frame {
    var decoder = FrameDecoder()
    decoder.append(contentsOf: bytes)
    guard let frame = try decoder.next(), decoder.bufferedBytes == 0 else { throw NotOneFrame() }
    return frame
}

struct NotOneFrame: Error {}
