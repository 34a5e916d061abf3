import AgentProtocol
import EventLoop
import LinuxShims
import Logging
import Orchestration
import SidekickModel
import Synchronization

/// The gateway's slow side, on a loop of its own: what the agent orders and is told, the routing table on disk, the clock of held
/// requests.
///
/// Sendable without the compiler's check because every mutable property is touched only on `loop`'s thread.
final class Control: EventHandler, @unchecked Sendable {
    private enum Tag: Int { case second, save, longEnough }

    private struct Known {
        var service: GatewayService
        var entry: ServiceEntry
    }

    private static let saveDelay = Milliseconds(50)
    /// Seconds after which what is mapped for starting is given back.
    private static let startUp = 3

    let loop: EventLoop
    private unowned let hub: Hub
    private let file: RoutesFile
    private lazy var link = AgentLink(
        loop: loop, path: configuration.agentSocket, version: configuration.version, control: self, log: hub.log)
    private let configuration: GatewayConfiguration
    private var services: [String: Known] = [:]
    private var peeringSecret = ""
    private var isSavePlanned = false
    private var seconds = 0
    private var admin: AdminServer?
    private var successor: SuccessorListener?
    private var hasSuccessor = false
    private var whenUp: (() -> Void)?
    /// How long a gateway that takes over waits for the agent before it does so without.
    private static let linkPatience = Milliseconds.seconds(2)
    private var certificates: CertificateWatch?
    private var ticks: [ObjectIdentifier: ServiceTick] = [:]

    init(loop: EventLoop, hub: Hub, configuration: GatewayConfiguration) {
        self.loop = loop
        self.hub = hub
        file = RoutesFile(directory: configuration.stateDirectory)
        self.configuration = configuration
    }

    /// Serves what was routed when the last gateway ended, and looks for the agent.
    func start() {
        do {
            if let kept = try file.load() {
                hub.log.notice("serving \(kept.services.count) services from \(file.path) until the agent says more")
                setPeering(kept.peeringSecret)
                takeOver(kept.services)
                publish()
            }
        } catch {
            hub.log.error("\(error); starting without routes until the agent sends them")
        }
        link.start()
        certificates = hub.tls.map { CertificateWatch($0, loop: loop, log: hub.log) }
        _ = loop.schedule(at: loop.now + .seconds(1), self, tag: Tag.second.rawValue)
    }

    // MARK: Handing over

    /// Calls `body` once the agent is connected, or after a while without it.
    func whenConnected(_ body: @escaping () -> Void) {
        whenUp = body
        if link.isUp { return linkUp() }
        _ = loop.schedule(at: loop.now + Self.linkPatience, self, tag: Tag.longEnough.rawValue)
    }

    func linkUp() { whenUp.take()?() }

    /// Lets a later gateway on the same state directory take over; `listeners` are what it gets.
    func awaitSuccessor(_ listeners: [Listener], handedOver: @escaping @Sendable () -> Void) {
        do throws(SystemError) {
            successor = try SuccessorListener(
                directory: configuration.stateDirectory, listeners: listeners, loop: loop, log: hub.log
            ) { [unowned self] in
                // From here on the routes' file and the operator are the successor's.
                hasSuccessor = true
                admin?.stop()
                admin = nil
                handedOver()
            }
        } catch {
            hub.log.warning("\(error); this gateway can only be replaced by stopping it")
        }
    }

    /// Lets go of the listeners: this gateway ends, with a successor or without.
    func stopAwaitingSuccessor() {
        whenUp = nil
        successor?.stop()
        successor = nil
    }

    /// Answers the operator on a listener of its own.
    func serveAdmin(on listener: Listener) {
        do throws(SystemError) {
            admin = try AdminServer(listener, loop: loop) { [unowned self] in metrics() }
        } catch {
            hub.log.error("\(error); no metrics are served")
        }
    }

    private func metrics() -> String {
        let now = loop.now
        let list = services.values.sorted { $0.entry.name < $1.entry.name }.map { known in
            MetricsText.Service(
                name: known.entry.name, statistics: known.entry.statistics.snapshot, load: known.entry.currentSample(now: now),
                endpoints: endpoints(known), ejections: known.entry.ejections.load(ordering: .relaxed))
        }
        let whole = MetricsText.Whole(
            unrouted: hub.unrouted.snapshot, connections: hub.connections.load(ordering: .relaxed),
            refusedConnections: hub.refusedConnections.load(ordering: .relaxed), agentConnected: link.isUp,
            accessLog: hub.accessLog?.counts)
        return MetricsText(services: list, whole: whole).text + (hub.tls?.metrics ?? "")
    }

    private func endpoints(_ known: Known) -> [MetricsText.Endpoint] {
        known.entry.endpointLoads(now: loop.now).map { load in
            let entry = hub.replicas[load.target]
            let isSame = entry?.replica == load.replica
            return MetricsText.Endpoint(
                load: load, revision: isSame ? entry?.revision ?? 0 : 0, statistics: isSame ? entry?.statistics.snapshot : nil)
        }
    }

    func reloadCertificates() { certificates?.reload() }

    func stop() {
        if isSavePlanned { save() }
        link.stop()
    }

    func expired(_ tag: Int) {
        switch Tag(rawValue: tag) {
        case .second: everySecond()
        case .save: save()
        case .longEnough: linkUp()
        case nil: break
        }
    }

    private func everySecond() {
        _ = loop.schedule(at: loop.now + .seconds(1), self, tag: Tag.second.rawValue)
        seconds += 1
        if seconds == Self.startUp { sk_release_code() }
        if seconds.isMultiple(of: 5) {
            for worker in hub.workers { worker.loop.submit { worker.sweepIdle() } }
        }
        if hub.accessLog != nil {
            for worker in hub.workers { worker.loop.submit { worker.flushAccessLog() } }
        }
        guard link.isUp else { return }
        let now = loop.now
        let samples = services.sorted { $0.key < $1.key }.map { $0.value.entry.takeSample(now: now) }
        link.send(.load(samples))
    }

    // MARK: From the agent

    func apply(_ order: GatewayOrder) {
        switch order {
        case .sync(let list):
            takeOver(list)
            publish()
            for known in services.values.sorted(by: { $0.entry.name < $1.entry.name }) { step(known.entry, .reportDrained) }
        case .service(let service):
            if update(service) { publish() }
        case .removeService(let name):
            guard let known = services.removeValue(forKey: name) else { return }
            step(known.entry, .removed)
            publish()
        case .peering(let secret):
            setPeering(secret)
            for known in services.values.sorted(by: { $0.entry.name < $1.entry.name }) { stepSurroundings(known) }
        }
        planSave()
    }

    private func setPeering(_ secret: String) {
        peeringSecret = secret
        hub.peering.set(secret)
    }

    private func takeOver(_ list: [GatewayService]) {
        let names = Set(list.map(\.route.service))
        for name in services.keys.sorted() where !names.contains(name) {
            if let gone = services.removeValue(forKey: name) { step(gone.entry, .removed) }
        }
        for service in list { _ = update(service, evenOlder: true) }
    }

    /// Takes over one service; whether its routes changed.
    private func update(_ new: GatewayService, evenOlder: Bool = false) -> Bool {
        var service = new
        let name = service.route.service
        let old = services[name]
        if let old, !evenOlder, service.route.generation < old.service.route.generation { service.route = old.service.route }
        let policy = AdmissionPolicy(
            concurrency: service.route.concurrency, holdDeadline: service.route.holdDeadline, holdLimit: service.route.holdLimit,
            holdBytes: configuration.holdBytes, shares: service.route.shares ?? [])
        let entry = old?.entry ?? ServiceEntry(name: name, policy: policy, now: loop.now)
        let known = Known(service: service, entry: entry)
        services[name] = known
        if old != nil { step(entry, .policy(policy)) }
        stepSurroundings(known)
        step(entry, .endpoints(endpoints(service)))
        return old?.service.route.ingress != service.route.ingress
    }

    private func stepSurroundings(_ known: Known) {
        // Without a secret no peer would take a request.
        let peers = hub.peering.isSet ? known.service.peers : []
        step(
            known.entry,
            .surroundings(
                standby: known.service.standby,
                peers: peers.compactMap { peer in
                    guard let address = SocketAddress(text: peer.address) else {
                        hub.log.error("a peer's address is none: \(peer.address)")
                        return nil
                    }
                    return AdmissionPeer(
                        target: hub.targets.number(of: address, speaking: .http1), near: peer.near, online: peer.online,
                        standby: peer.standby)
                }))
    }

    private func endpoints(_ service: GatewayService) -> [AdmissionEndpoint] {
        service.endpoints.compactMap { endpoint in
            guard let address = SocketAddress(text: endpoint.address) else {
                hub.log.error("replica \(endpoint.replica) of \(service.route.service) has no address: \(endpoint.address)")
                return nil
            }
            let target = hub.targets.number(of: address, speaking: endpoint.speaks)
            hub.replicas.set(endpoint.replica, revision: endpoint.revision, at: target)
            return AdmissionEndpoint(
                replica: endpoint.replica, target: target, draining: endpoint.draining, number: endpoint.number,
                revision: endpoint.revision)
        }
    }

    private func publish() {
        hub.routes.post(RouteTable(services.values.map { ($0.service.route, $0.entry) }))
    }

    private func planSave() {
        guard !isSavePlanned else { return }
        isSavePlanned = true
        _ = loop.schedule(at: loop.now + Self.saveDelay, self, tag: Tag.save.rawValue)
    }

    private func save() {
        isSavePlanned = false
        guard !hasSuccessor else { return }
        do {
            try file.save(services.sorted { $0.key < $1.key }.map(\.value.service), peeringSecret: peeringSecret)
        } catch {
            hub.log.error("\(error); a gateway started now would serve older routes")
        }
    }

    // MARK: To the agent

    func tell(_ message: GatewayMessage) { link.send(message) }

    func held(_ entry: ServiceEntry) { link.send(.held(entry.currentSample(now: loop.now))) }

    // MARK: Held requests

    func planTick(_ entry: ServiceEntry, at time: Instant) {
        let key = ObjectIdentifier(entry)
        if ticks[key] == nil { ticks[key] = ServiceTick(entry, control: self) }
        ticks[key]?.plan(at: time)
    }

    func tick(_ entry: ServiceEntry) {
        ticks[ObjectIdentifier(entry)] = nil
        step(entry, .tick)
    }

    private func step(_ entry: ServiceEntry, _ event: AdmissionEvent) {
        var actions: [AdmissionAction] = []
        let next = entry.step(event, now: loop.now, into: &actions)
        if let next { planTick(entry, at: next) }
        for action in actions { hub.perform(action, of: entry, on: nil) }
    }
}

/// The one planned tick of one service.
private final class ServiceTick: EventHandler {
    private let entry: ServiceEntry
    private unowned let control: Control
    private var timer: (id: TimerID, at: Instant)?

    init(_ entry: ServiceEntry, control: Control) {
        self.entry = entry
        self.control = control
    }

    /// Plans the tick, or moves it forward. Loops' wishes may come out of order, so that it never moves back.
    func plan(at time: Instant) {
        if let timer {
            guard time < timer.at, control.loop.reschedule(timer.id, at: time) else { return }
            self.timer = (timer.id, time)
        } else {
            timer = (control.loop.schedule(at: time, self), time)
        }
    }

    func ready(_ readiness: Readiness) {}
    func expired(_ tag: Int) { control.tick(entry) }
}

extension Control {
    func ready(_ readiness: Readiness) {}
}
