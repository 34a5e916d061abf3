import AgentProtocol
import Logging
import NIOCore
import Orchestration
import SidekickModel

/// What the host's gateway is told and what it tells.
extension AgentCore {
    func gatewayDisconnected(_ channel: any Channel) {
        gateways[ObjectIdentifier(channel)] = nil
    }

    func received(_ message: GatewayMessage, from channel: any Channel) {
        switch message {
        case .hello(let version, let pid):
            logger.info("a gateway has connected", metadata: ["version": "\(version)", "pid": "\(pid)"])
            gateways[ObjectIdentifier(channel)] = channel
            channel.send(GatewayOrder.sync(routes.keys.sorted().compactMap(gatewayService)).frame())
        case .load(let samples):
            session?.send(.load(samples), droppable: true)
            // Wakes that failed, or were not enough, are made up for.
            for sample in samples where sample.queue > 0 { wake(sample) }
        case .held(let sample):
            wake(sample)
            session?.send(.load([sample]), droppable: true)
        case .drained(let replica): step(replica, .drained)
        case .unreachable(let replica): step(replica, .unreachable)
        }
    }

    /// Brings local standbys online for a queue, without asking the controller.
    private func wake(_ load: LoadSample) {
        guard let route = routes[load.service] else { return }
        let candidates = (replicasOfService[load.service] ?? []).compactMap { id -> WakePolicy.Candidate? in
            guard let lifecycle = replicas[id]?.lifecycle, let state = lifecycle.wakeState else { return nil }
            return WakePolicy.Candidate(replica: id, revision: lifecycle.assignment.revision, state: state)
        }
        for id in WakePolicy.wakes(load: load, route: route, candidates: candidates) {
            logger.info("waking a replica for a held request", metadata: ["replica": "\(id)", "service": "\(load.service)"])
            step(id, .wakeRequested)
        }
    }

    /// Tells the gateways how a service stands now.
    func announce(_ service: String) {
        guard !gateways.isEmpty, let order = gatewayService(service) else { return }
        send(.service(order))
    }

    func announceRemoval(_ service: String) { send(.removeService(service)) }

    private func send(_ order: GatewayOrder) {
        let bytes = order.frame()
        for channel in gateways.values { channel.send(bytes) }
    }

    private func gatewayService(_ service: String) -> GatewayService? {
        guard let route = routes[service] else { return nil }
        let endpoints = (replicasOfService[service] ?? []).compactMap { id -> GatewayEndpoint? in
            guard let replica = replicas[id] else { return nil }
            let revision = replica.lifecycle.assignment.revision
            let speaks = replica.lifecycle.assignment.spec.requestPort?.speaks ?? .http1
            switch replica.routing {
            case .none: return nil
            case .ready(let address):
                return GatewayEndpoint(replica: id, revision: revision, address: address, draining: false, speaks: speaks)
            case .draining(let address):
                return GatewayEndpoint(replica: id, revision: revision, address: address, draining: true, speaks: speaks)
            }
        }
        return GatewayService(route: route, endpoints: endpoints)
    }
}
