package import HTTP2Translation
package import HTTPFraming
package import SidekickModel

/// What one gateway process is told when it starts.
package struct GatewayConfiguration: Hashable, Sendable {
    /// Where requests come in, `0.0.0.0:8080`, `[::]:8080` or a socket path; at least one.
    package var listen: [String]
    /// Where requests come in by TLS, like `listen`; needs `certificates`.
    package var tlsListen: [String] = []
    /// Directory of `NAME.crt` with `NAME.key`, or `NAME/fullchain.pem` with `NAME/privkey.pem`.
    package var certificates: String?
    /// Sends plain requests for hosts that have a certificate to `https:`.
    package var redirectsToTLS = false
    /// The agent's Unix socket.
    package var agentSocket: String
    /// Directory of the routing table kept across restarts.
    package var stateDirectory: String
    /// Where other hosts' gateways bring requests, like `listen`; nil for nowhere.
    package var peerListen: String?
    /// Where containers of this host come from, who may use the fleet's internal names; nil when there are none.
    package var bridge: ContainerBridge?
    /// Where `/healthz` and `/metrics` are answered, like `listen`; nil for nowhere.
    package var admin: String?
    /// Event loops, from 1; one per core is right.
    package var threads: Int
    /// Connections waiting to be accepted.
    package var backlog: Int32 = 4096
    /// Open client connections; further ones are answered 503 and closed. Fewer when the process may not have that many descriptors.
    package var maximumConnections = 50_000
    /// Memory that one service's held requests may take, in bytes.
    package var holdBytes = 64 << 20
    /// Open connections of one client address (one /64 network of IPv6); further ones are answered 429. nil for no limit. Trusted proxies
    /// may have any number.
    package var connectionsPerSource: Int?
    /// Bytes a second below which a client that sends a body or takes a response is given up, once `timeouts.slow` is used up; 0 for none.
    package var minimumRate = 240
    package var framing = FramingLimits()
    package var http2 = HTTP2Settings()
    package var timeouts = Timeouts()
    /// Clients whose `X-Forwarded-*` and `Forwarded` fields are believed, as they are proxies of one's own. Everybody else's are dropped.
    package var trustedProxies: [AddressRange] = []
    /// Believes everybody's. Clients of a Unix socket are always believed.
    package var trustForwarded = false
    /// Writes `Forwarded` (RFC 7239) beside `X-Forwarded-*`.
    package var writesForwarded = false
    /// Where finished requests are written down; nil for nowhere.
    package var accessLog: AccessLogConfiguration?
    package var version = "0"

    package init(listen: [String], agentSocket: String, stateDirectory: String, threads: Int) {
        self.listen = listen
        self.agentSocket = agentSocket
        self.stateDirectory = stateDirectory
        self.threads = threads
    }

    /// How long a gateway waits for whom.
    package struct Timeouts: Hashable, Sendable {
        /// For the next request on a kept connection.
        package var keepAlive: Milliseconds = .seconds(75)
        /// For a TLS client, from its connection to its first request.
        package var handshake: Milliseconds = .seconds(10)
        /// From a head's first byte to its last.
        package var head: Milliseconds = .seconds(10)
        /// For a client that sends nothing of its body, or takes nothing of the response.
        package var client: Milliseconds = .seconds(30)
        /// How much slower than `minimumRate` a client may be in all, as a span of time.
        package var slow: Milliseconds = .seconds(10)
        /// For a replica to accept a connection.
        package var connect: Milliseconds = .seconds(2)
        /// For another host's gateway to accept a connection. Short: the next one may be as good.
        package var peerConnect = Milliseconds(300)
        /// For another host to acknowledge what was sent to it, before it counts as gone.
        package var peerGone: Milliseconds = .seconds(2)
        /// For a replica that sends nothing.
        package var replica: Milliseconds = .seconds(300)
        /// For either side of an upgraded connection.
        package var tunnel: Milliseconds = .seconds(3600)
        /// For requests in flight when the gateway is stopped.
        package var drain: Milliseconds = .seconds(30)
        /// For requests in flight and upgraded connections when a successor has taken over.
        package var handover: Milliseconds = .seconds(3600)
        /// For which an unused connection to a replica is kept.
        package var idleUpstream: Milliseconds = .seconds(30)

        package init() {}
    }
}
