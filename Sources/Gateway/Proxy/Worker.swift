import EventLoop
import Glibc
import HTTPFraming
import Logging
import Orchestration
import SidekickModel
import Synchronization

/// Everything one event loop needs to carry requests: its clients, its connections to replicas, its buffers.
///
/// Sendable without the compiler's check because every mutable property is touched only on `loop`'s thread: the other threads call
/// nothing but `loop.submit`, and `index`, `loop`, `hub` and `configuration` never change.
final class Worker: @unchecked Sendable {
    let index: Int
    let loop: EventLoop
    let configuration: GatewayConfiguration
    let trust: ProxyTrust
    unowned let hub: Hub
    let pool = BlockPool()
    // What each request asks for is here too: reading it through an unowned hub costs two atomic steps a time.
    private let routeBoard: RouteBoard
    private let replicaBoard: ReplicaBoard
    /// As the hub's.
    let redirect: TLSRedirect?
    private var routes = RouteTable.empty
    private var routesSeen: UInt64 = 0
    private var replicas: [ReplicaEntry?] = []
    private var replicasSeen: UInt64 = 0
    let accessLog: AccessLog?
    /// For heads that are written and sent at once.
    var scratch = ByteQueue()
    private(set) var isDraining = false
    /// A successor serves: connections without a request are not closed but told with their next response, or left to time out, so that no
    /// client asks on one that is just being closed.
    private(set) var drainsGently = false
    /// Clients' connections of HTTP/1.1 and streams of sessions.
    private(set) var clientCount = 0
    private var streamCount = 0
    private var sessions: [ClientSession] = []
    /// Connections to replicas that carry many requests, by target.
    private var replicaSessions: [Int32: [ReplicaSession]] = [:]
    private var clients: [ClientConnection?] = []
    private var serials: [UInt32] = []
    private var free: [Int] = []
    private var idle: [IdleConnections] = []
    private var listeners: [ListenerHandler] = []
    private lazy var handshakes = hub.tls.map { Handshakes($0.server, $0.statistics, worker: self) }
    private var random: UInt64
    private var actions: [AdmissionAction] = []
    /// Steps taken while actions are performed, and what they ask for: it is done after those.
    private var innerActions: [AdmissionAction] = []
    private var pending: [(service: ServiceEntry, action: AdmissionAction)] = []
    private var isPerforming = false
    /// Clients that are being told that there is no room; beyond the limit they are not told.
    private var refusing = 0
    private static let refusingLimit = 256
    private var whenDrained: (@Sendable () -> Void)?

    init(index: Int, loop: EventLoop, hub: Hub, configuration: GatewayConfiguration) {
        self.index = index
        self.loop = loop
        self.hub = hub
        routeBoard = hub.routes
        replicaBoard = hub.replicas
        redirect = hub.redirect
        self.configuration = configuration
        trust = ProxyTrust(configuration)
        accessLog = hub.accessLog.map { AccessLog($0) }
        var generator = SystemRandomNumberGenerator()
        random = generator.next()
    }

    var now: Instant { loop.now }

    // MARK: Clients

    func watch(_ listener: Listener) throws(SystemError) { listeners.append(try ListenerHandler(listener, worker: self)) }

    func accepted(_ socket: consuming Socket, from kind: Listener.Kind) {
        guard !isDraining else { return }
        switch kind {
        case .clients: accepted(Transport(socket))
        case .secureClients:
            // Keys are not agreed on with one who would be turned away.
            guard hub.connections.load(ordering: .relaxed) < hub.connectionLimit else {
                hub.refusedConnections.wrappingAdd(1, ordering: .relaxed)
                return
            }
            handshakes?.begin(socket)
        case .peers: accepted(Transport(socket), isPeer: true)
        case .admin: break
        }
    }

    /// A TLS client has agreed; what it speaks is told by its name in ALPN, nil for one that does not say, and then it is HTTP/1.1.
    func agreed(_ transport: consuming Transport, speaks name: String?) {
        if name == "h2" {
            let (name, refusal) = receive(transport)
            guard refusal == nil else { return }
            beginSession(transport, name, early: UnsafeRawBufferPointer(start: nil, count: 0))
        } else {
            accepted(transport)
        }
    }

    /// A client that speaks HTTP/2. `early` are bytes of it that were read already.
    func beginSession(_ transport: consuming Transport, _ client: ClientName, early: UnsafeRawBufferPointer) {
        guard let session = ClientSession(self, transport, client) else {
            return hub.log.error("no memory for an HTTP/2 session")
        }
        session.place = sessions.count
        sessions.append(session)
        hub.connections.wrappingAdd(1, ordering: .relaxed)
        session.begin(with: early)
        if isDraining { session.drain() }
    }

    func ended(_ session: ClientSession) {
        let last = sessions.removeLast()
        if last !== session {
            last.place = session.place
            sessions[session.place] = last
        }
        hub.connections.wrappingSubtract(1, ordering: .relaxed)
        reportDrained()
    }

    func handshakeEnded() { if isDraining { reportDrained() } }

    /// Takes a client's connection, whatever carries it.
    /// - Parameter isPeer: it came to the listener for other hosts' gateways.
    func accepted(_ transport: consuming Transport, isPeer: Bool = false) {
        let (name, refusal) = receive(transport, isPeer: isPeer)
        // Being told that there is no room takes a place too, for a moment.
        guard refusal == nil || refusing < Self.refusingLimit else { return transport.close(loop) }
        hub.connections.wrappingAdd(1, ordering: .relaxed)
        let client = add(transport, name)
        guard let refusal else { return client.begin() }
        refusing += 1
        client.turnAway(refusal)
    }

    /// A client that was turned away is gone.
    func turnedAway() { refusing -= 1 }

    /// Who a new connection is from, and why it is refused if it is.
    private func receive(_ transport: borrowing Transport, isPeer: Bool = false) -> (ClientName, LocalAnswer?) {
        var name = ClientName(transport, trust, isPeer: isPeer)
        var refusal: LocalAnswer?
        if hub.connections.load(ordering: .relaxed) >= hub.connectionLimit {
            refusal = .tooManyConnections
        } else if let sources = hub.sources, !name.isTrusted, let address = transport.peerAddress() {
            name.seat = sources.take(address)
            if name.seat == nil { refusal = .tooManyOfSource }
        }
        if refusal != nil { hub.refusedConnections.wrappingAdd(1, ordering: .relaxed) }
        return (name, refusal)
    }

    /// A client's session has a new stream. `client` is whose connection the session has.
    func opened(_ stream: SessionStream, client: ClientName) {
        guard !free.isEmpty || clients.count < Self.slots else { return stream.close() }
        streamCount += 1
        add(Transport(stream), client).begin()
    }

    /// A request's id has room for so many.
    private static let slots = 1 << 24

    private func add(_ transport: consuming Transport, _ name: ClientName) -> ClientConnection {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
        } else {
            slot = clients.count
            clients.append(nil)
            serials.append(0)
        }
        let client = ClientConnection(worker: self, slot: slot, serial: serials[slot], transport: transport, client: name)
        clients[slot] = client
        clientCount += 1
        return client
    }

    func closed(_ client: ClientConnection) {
        guard clients[client.slot] === client else { return }
        clients[client.slot] = nil
        serials[client.slot] = client.serial &+ 1
        free.append(client.slot)
        clientCount -= 1
        if client.isStream { streamCount -= 1 } else { hub.connections.wrappingSubtract(1, ordering: .relaxed) }
        reportDrained()
    }

    private func client(_ id: RequestID) -> ClientConnection? {
        let slot = Int(id.number >> 32 & 0xFF_FFFF)
        guard slot < clients.count, let client = clients[slot], client.serial == UInt32(truncatingIfNeeded: id.number) else {
            return nil
        }
        return client
    }

    /// Two random numbers for a request's id (SplitMix64: unique, not secret).
    func newID() -> (UInt64, UInt64) { (nextRandom(), nextRandom()) }

    private func nextRandom() -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var mixed = random
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// The service an authority and a path belong to, by the newest routes.
    /// - Parameter routesInternalNames: asked only when the name is an internal one.
    func service(
        authority: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer, routesInternalNames: () -> Bool
    ) -> ServiceEntry? {
        routeBoard.refresh(&routes, &routesSeen)
        return routes.service(authority: authority, path: path, routesInternalNames: routesInternalNames)
    }

    /// The replica behind a target, as long as the agent lists it.
    func replica(at target: Int32) -> ReplicaEntry? {
        replicaBoard.refresh(&replicas, &replicasSeen)
        return Int(target) < replicas.count ? replicas[Int(target)] : nil
    }

    func flushAccessLog() { accessLog?.flush() }

    // MARK: Admission

    /// Steps a service's admission and does what it says. Called while doing so, it leaves the doing to the call underway.
    func step(_ service: ServiceEntry, _ event: AdmissionEvent) {
        guard !isPerforming else { return stepWithin(service, event) }
        if let tick = service.step(event, now: now, into: &actions) { hub.planTick(service, at: tick) }
        // Mostly the end of a request, which asks for nothing.
        guard !actions.isEmpty else { return }
        isPerforming = true
        var position = 0
        while position < actions.count {
            perform(actions[position], of: service)
            position += 1
        }
        actions.removeAll(keepingCapacity: true)
        position = 0
        while position < pending.count {
            let (service, action) = pending[position]
            position += 1
            perform(action, of: service)
        }
        if position > 0 { pending.removeAll(keepingCapacity: true) }
        isPerforming = false
    }

    private func stepWithin(_ service: ServiceEntry, _ event: AdmissionEvent) {
        if let tick = service.step(event, now: now, into: &innerActions) { hub.planTick(service, at: tick) }
        for action in innerActions { pending.append((service, action)) }
        innerActions.removeAll(keepingCapacity: true)
    }

    private func perform(_ action: AdmissionAction, of service: ServiceEntry) {
        if case .forward(let id, let ref, let target) = action, Int(id.number >> 56) == index {
            return forward(id, service, ref, target)
        }
        hub.perform(action, of: service, on: self)
    }

    /// A request of this loop may go to a replica. Its client may have left since: then the place is given back.
    func forward(_ id: RequestID, _ service: ServiceEntry, _ ref: EndpointRef, _ target: Int32) {
        guard let client = client(id), client.forward(to: ref, target: target) else {
            return step(service, .finished(ref, failed: false))
        }
    }

    func refuse(_ id: RequestID, _ why: AdmissionRefusal) { client(id)?.refuse(why) }

    // MARK: Connections to replicas

    /// An unused open connection, nil when there is none. One for a request that must not be sent twice is checked to be open.
    func takeIdle(_ target: Int32, onlyFresh: Bool) -> UpstreamConnection? {
        guard Int(target) < idle.count else { return nil }
        while let connection = idle[Int(target)].take() {
            guard onlyFresh else { return connection }
            if now - connection.idleSince < 1, connection.isQuiet { return connection }
            connection.close()
        }
        return nil
    }

    func keepIdle(_ connection: UpstreamConnection) {
        let target = Int(connection.target)
        while idle.count <= target { idle.append(IdleConnections()) }
        connection.idleSince = now
        idle[target].put(connection)
    }

    func forgetIdle(_ connection: UpstreamConnection) { idle[Int(connection.target)].remove(connection) }

    func connect(to target: Int32, isPeer: Bool) throws(SystemError) -> UpstreamConnection {
        let (address, speaks) = hub.targets.target(target)
        switch speaks {
        case .http1:
            let peerGone = isPeer ? configuration.timeouts.peerGone : nil
            return try UpstreamConnection(
                worker: self, target: target, transport: .connecting(to: address, peerGone: peerGone))
        case .h2c:
            let session = try session(to: target, at: address)
            let carried = session.hasCarried
            let upstream = try UpstreamConnection(
                worker: self, target: target, transport: Transport(session.open()), isConnected: session.isConnected)
            upstream.isReused = carried
            return upstream
        }
    }

    /// One with room for a further request.
    private func session(to target: Int32, at address: SocketAddress) throws(SystemError) -> ReplicaSession {
        if let session = replicaSessions[target]?.first(where: \.canOpen) { return session }
        guard let session = try ReplicaSession(self, target, .connecting(to: address)) else {
            throw SystemError(operation: "begin an HTTP/2 session with", object: "\(address)", number: ENOMEM)
        }
        replicaSessions[target, default: []].append(session)
        return session
    }

    func ended(_ session: ReplicaSession) {
        replicaSessions[session.target]?.removeAll { $0 === session }
        if replicaSessions[session.target]?.isEmpty == true { replicaSessions[session.target] = nil }
    }

    /// Closes connections to replicas that were not used for a while. The hub calls it every few seconds.
    func sweepIdle() {
        let limit = now - configuration.timeouts.idleUpstream
        for target in idle.indices { idle[target].closeUnused(since: limit) }
        for session in replicaSessions.values.joined() { session.sweep(unusedSince: limit) }
    }

    // MARK: Stopping

    /// Takes no more connections, lets those with a request finish, closes the others.
    /// - Parameter gently: as for `drainsGently`.
    func drain(gently: Bool, _ done: @escaping @Sendable () -> Void) {
        drainsGently = gently
        // Who the kernel has already let in is served too, with a connection that ends after its answer.
        for listener in listeners {
            if !gently { listener.ready(Readiness()) }
            listener.stop()
        }
        isDraining = true
        whenDrained = done
        listeners = []
        for client in clients { client?.drain() }
        for session in sessions { session.drain() }
        reportDrained()
    }

    func closeAll() {
        handshakes?.closeAll()
        for client in clients { client?.abort() }
        for session in sessions { session.close() }
        for session in replicaSessions.values.joined() { session.close() }
        for target in idle.indices { idle[target].closeUnused(since: Instant(nanoseconds: .max)) }
    }

    private func reportDrained() {
        guard isDraining, clientCount == 0, sessions.isEmpty, (handshakes?.count ?? 0) == 0, let done = whenDrained else {
            return
        }
        whenDrained = nil
        done()
    }
}

/// The unused connections to one replica, newest last.
private struct IdleConnections {
    private var connections: [UpstreamConnection] = []

    mutating func take() -> UpstreamConnection? {
        guard let connection = connections.popLast() else { return nil }
        connection.isIdle = false
        return connection
    }

    mutating func put(_ connection: UpstreamConnection) {
        connection.isIdle = true
        connections.append(connection)
    }

    mutating func remove(_ connection: UpstreamConnection) {
        connection.isIdle = false
        connections.removeAll { $0 === connection }
    }

    /// The newest is last, so the old ones are in front.
    mutating func closeUnused(since limit: Instant) {
        let old = connections.prefix { $0.idleSince < limit }
        guard !old.isEmpty else { return }
        for connection in old {
            connection.isIdle = false
            connection.close()
        }
        connections.removeFirst(old.count)
    }
}
