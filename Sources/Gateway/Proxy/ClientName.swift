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

    init(_ transport: borrowing Transport, _ configuration: GatewayConfiguration, isPeer: Bool = false) {
        self.isPeer = isPeer
        let peer = isPeer ? nil : transport.peerAddress()
        address = peer?.port == nil ? [] : Array(peer?.hostText.utf8 ?? "".utf8)
        isTrusted = isPeer || (peer.map { configuration.trusts($0) } ?? false)
    }
}

extension GatewayConfiguration {
    /// Whether a client is believed when it says for whom it asks.
    func trusts(_ address: SocketAddress) -> Bool {
        if trustForwarded { return true }
        if case .unix = address { return true }
        return trustedProxies.contains { $0.contains(address) }
    }
}
