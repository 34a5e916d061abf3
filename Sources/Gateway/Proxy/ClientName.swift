import EventLoop

/// What is known of the client behind a connection, made once for all its requests.
struct ClientName {
    /// Its address in text; empty for a Unix socket.
    let address: [UInt8]
    /// What it says of whom it asks for is believed.
    let isTrusted: Bool
    /// Another host's gateway, whose requests say themselves what client they come from.
    let isPeer: Bool
    /// Its place among the connections of its address, where those are limited.
    var seat: ConnectionSeat?

    init(_ transport: borrowing Transport, _ trust: ProxyTrust, isPeer: Bool = false) {
        self.isPeer = isPeer
        let peer = isPeer ? nil : transport.peerAddress()
        if let peer, peer.port != nil { address = peer.hostBytes } else { address = [] }
        isTrusted = isPeer || (peer.map(trust.includes) ?? false)
    }
}

/// Which clients are believed when they say for whom they ask.
struct ProxyTrust: Sendable {
    private let everybody: Bool
    private let proxies: [AddressRange]

    init(_ configuration: GatewayConfiguration) {
        everybody = configuration.trustForwarded
        proxies = configuration.trustedProxies
    }

    func includes(_ address: SocketAddress) -> Bool {
        if everybody { return true }
        if case .unix = address { return true }
        return proxies.contains { $0.contains(address) }
    }
}
