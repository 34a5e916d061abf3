package import SidekickModel

/// What a gateway sends to the agent of its host, over the agent's Unix socket.
package enum GatewayMessage: Hashable, Sendable {
    /// First message of every connection; the agent answers with `sync`.
    case hello(version: String, pid: Int)
    /// Each second, one sample per service.
    case load([LoadSample])
    /// At once when a request of the service has to wait (the queue went from empty to not empty, or grew past what the last
    /// notice said); carries the service's sample of this moment.
    case held(LoadSample)
    /// A replica that was marked draining has no request left. Sent again after each `sync`. `number` is the order's that marked it: with
    /// another one in force meanwhile, it says nothing.
    case drained(ReplicaID, number: Int64 = 0)
    /// Connecting to a ready replica failed; the agent probes it at once.
    case unreachable(ReplicaID)
}

/// What the agent sends to the gateway of its host.
package enum GatewayOrder: Hashable, Sendable {
    /// The whole routing table; replaces what was there. The gateway keeps the last one on disk and serves from it when it
    /// starts before the agent does.
    case sync([GatewayService])
    /// One service changed.
    case service(GatewayService)
    /// The service is gone: held requests are answered 503, new ones 404.
    case removeService(String)
    /// What the fleet's gateways know one another by; without it none is trusted and no request leaves the host.
    case peering(secret: String)
}

/// One service as a gateway sees it: how to route, how to hold, and the replicas it may send to.
package struct GatewayService: Hashable, Sendable, Codable {
    package var route: ServiceRoute
    package var endpoints: [GatewayEndpoint]
    /// Other hosts' gateways; `route.peers` is for the agent only and does not come here.
    package var peers: [GatewayPeer] = []
    /// Replicas of this host that a held request makes the agent bring online, or that are coming.
    package var standby = 0

    package init(route: ServiceRoute, endpoints: [GatewayEndpoint], peers: [GatewayPeer] = [], standby: Int = 0) {
        self.route = route
        self.endpoints = endpoints
        self.peers = peers
        self.standby = standby
    }
}

/// Another host's gateway, as one service sees it from this host.
package struct GatewayPeer: Hashable, Sendable, Codable {
    package var address: String
    /// Of this host's zone.
    package var near: Bool
    package var online: Int
    package var standby: Int

    package init(address: String, near: Bool, online: Int, standby: Int) {
        self.address = address
        self.near = near
        self.online = online
        self.standby = standby
    }
}

/// One replica a gateway may send requests to.
package struct GatewayEndpoint: Hashable, Sendable, Codable {
    package var replica: ReplicaID
    package var revision: Int
    /// IPv4 address and port in text, `10.88.0.5:8080`.
    package var address: String
    /// No new request; `drained` is reported once it has none left.
    package var draining: Bool
    /// Of the order about this replica, rising; 0 from an agent that counts none.
    package var number: Int64
    package var speaks: PortProtocol

    package init(
        replica: ReplicaID, revision: Int, address: String, draining: Bool, number: Int64 = 0, speaks: PortProtocol = .http1
    ) {
        self.replica = replica
        self.revision = revision
        self.address = address
        self.draining = draining
        self.speaks = speaks
        self.number = number
    }
}
