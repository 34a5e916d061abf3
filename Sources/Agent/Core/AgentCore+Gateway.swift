import AgentProtocol
import Logging
import NIOCore
import Orchestration
import SidekickModel

/// What the host's gateway is told and what it tells.
extension AgentCore {
    func gatewayDisconnected(_ channel: any Channel) {
        guard let gone = gateways.firstIndex(where: { $0.channel === channel }) else { return }
        let pid = gateways.remove(at: gone).pid
        hostLoad.remove(pid)
        guard !gateways.contains(where: { $0.pid == pid }) else { return }
        drains.disconnected(pid, now: now)
        endDrains()
    }

    func received(_ message: GatewayMessage, from channel: any Channel) {
        if case .hello(let version, let pid) = message { return greet(channel, version: version, pid: pid) }
        guard let newest = gateways.last?.pid, let gateway = gateways.first(where: { $0.channel === channel })?.pid else {
            return
        }
        switch message {
        case .hello: break
        case .load(let samples):
            let load = hostLoad.add(samples, from: gateway, newest: newest)
            session?.send(.load(load), droppable: true)
            // Wakes that failed, or were not enough, are made up for.
            for sample in samples where sample.queue > 0 { wake(hostLoad.sum(sample)) }
        case .held(let sample):
            wake(hostLoad.sum(sample))
            session?.send(.load([hostLoad.sum(sample)]), droppable: true)
        case .drained(let replica, let number):
            drains.reported(replica, number: number, by: gateway)
            endDrains()
        case .unreachable(let replica): step(replica, .unreachable)
        }
    }

    private func greet(_ channel: any Channel, version: String, pid: Int) {
        logger.info("a gateway has connected", metadata: ["version": "\(version)", "pid": "\(pid)"])
        gateways.removeAll { $0.channel === channel }
        gateways.append(ConnectedGateway(channel: channel, pid: pid))
        drains.connected(pid)
        if !peeringSecret.isEmpty { channel.send(GatewayOrder.peering(secret: peeringSecret).frame()) }
        channel.send(GatewayOrder.sync(routes.keys.sorted().compactMap(gatewayService)).frame())
    }

    // MARK: Drains

    /// Tells replicas that nothing is left on them, and looks again when a gateway that is away counts as gone.
    func endDrains() {
        drains.advance(to: now)
        for replica in drains.drained where replicas[replica]?.lifecycle.stage == .draining { step(replica, .drained) }
        drainTimer?.cancel()
        drainTimer = drains.deadline.map { deadline in
            loop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, deadline.nanoseconds)))) {
                self.assumeIsolated { $0.endDrains() }
            }
        }
    }

    // MARK: Wakes

    /// Brings local standbys online for a queue, without asking the controller.
    private func wake(_ load: LoadSample) {
        guard let route = routes[load.service] else { return }
        for id in WakePolicy.wakes(load: load, route: route, candidates: candidates(load.service)) {
            logger.info("waking a replica for a held request", metadata: ["replica": "\(id)", "service": "\(load.service)"])
            step(id, .wakeRequested)
        }
    }

    private func candidates(_ service: String) -> [WakePolicy.Candidate] {
        (replicasOfService[service] ?? []).compactMap { id -> WakePolicy.Candidate? in
            guard let lifecycle = replicas[id]?.lifecycle, let state = lifecycle.wakeState else { return nil }
            return WakePolicy.Candidate(replica: id, revision: lifecycle.assignment.revision, state: state)
        }
    }

    // MARK: Orders

    /// Tells the gateways how a service stands now.
    func announce(_ service: String) {
        guard let order = gatewayService(service) else { return }
        if order.standby > 0 { hopeful.insert(service) } else { hopeful.remove(service) }
        send(.service(order))
    }

    /// Tells the gateways when a held request may hope for a replica here, or may not any more.
    func announceHope(_ service: String) {
        guard let route = routes[service] else { return }
        let hopes = WakePolicy.prospects(route: route, candidates: candidates(service)) > 0
        if hopes != hopeful.contains(service) { announce(service) }
    }

    func announcePeering() { send(.peering(secret: peeringSecret)) }

    func announceRemoval(_ service: String) { send(.removeService(service)) }

    private func send(_ order: GatewayOrder) {
        guard !gateways.isEmpty else { return }
        let bytes = order.frame()
        for gateway in gateways { gateway.channel.send(bytes) }
    }

    private func gatewayService(_ service: String) -> GatewayService? {
        guard var route = routes[service] else { return nil }
        let zone = identity.labels["zone"] ?? ""
        let peers = (route.peers ?? []).filter { $0.host != identity.host }.map { peer in
            GatewayPeer(
                address: peer.address, near: !zone.isEmpty && peer.zone == zone, online: peer.online, standby: peer.standby)
        }
        route.peers = nil
        let endpoints = (replicasOfService[service] ?? []).compactMap { id -> GatewayEndpoint? in
            guard let replica = replicas[id] else { return nil }
            let revision = replica.lifecycle.assignment.revision
            let speaks = replica.lifecycle.assignment.spec.requestPort?.speaks ?? .http1
            switch replica.routing {
            case .none: return nil
            case .ready(let address):
                return GatewayEndpoint(
                    replica: id, revision: revision, address: address, draining: false, number: replica.orderNumber,
                    speaks: speaks)
            case .draining(let address):
                return GatewayEndpoint(
                    replica: id, revision: revision, address: address, draining: true, number: replica.orderNumber, speaks: speaks
                )
            }
        }
        return GatewayService(
            route: route, endpoints: endpoints, peers: peers,
            standby: WakePolicy.prospects(route: route, candidates: candidates(service)))
    }
}
