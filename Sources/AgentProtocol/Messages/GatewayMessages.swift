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
    /// A replica that was marked draining has no request left. Sent again after each `sync`.
    case drained(ReplicaID)
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
}

/// One service as a gateway sees it: how to route, how to hold, and the replicas it may send to.
package struct GatewayService: Hashable, Sendable, Codable {
    package var route: ServiceRoute
    package var endpoints: [GatewayEndpoint]

    package init(route: ServiceRoute, endpoints: [GatewayEndpoint]) {
        self.route = route
        self.endpoints = endpoints
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
    package var speaks: PortProtocol

    package init(replica: ReplicaID, revision: Int, address: String, draining: Bool, speaks: PortProtocol = .http1) {
        self.replica = replica
        self.revision = revision
        self.address = address
        self.draining = draining
        self.speaks = speaks
    }
}
