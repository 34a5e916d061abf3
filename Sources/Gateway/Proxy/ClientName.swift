import EventLoop

/// What is told of the client behind a connection, made once for all its requests.
struct ClientName {
    /// Its address in text; empty for a Unix socket.
    let address: [UInt8]
    /// The field lines that tell a replica.
    let lines: [UInt8]
    /// Another host's gateway, whose requests say themselves what client they come from.
    let isPeer: Bool

    init(_ transport: borrowing Transport, _ configuration: GatewayConfiguration, isPeer: Bool = false) {
        self.isPeer = isPeer
        guard !isPeer else {
            address = []
            lines = []
            return
        }
        var address: [UInt8] = []
        var lines: [UInt8] = []
        if let peer = transport.peerAddress(), peer.port != nil {
            address = Array(peer.hostText.utf8)
            lines = Array("X-Forwarded-For: ".utf8) + address + Array("\r\n".utf8)
        }
        if !configuration.trustForwarded {
            lines += Array("X-Forwarded-Proto: \(transport.isSecure ? "https" : "http")\r\n".utf8)
        }
        self.address = address
        self.lines = lines
    }
}
