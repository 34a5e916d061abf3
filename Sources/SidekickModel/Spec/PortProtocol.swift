/// What is spoken on the port of a replica that the gateway sends requests to.
package enum PortProtocol: String, Hashable, Sendable, Codable, CaseIterable {
    /// HTTP/1.1.
    case http1
    /// HTTP/2 without TLS, with prior knowledge; gRPC among others.
    case h2c
}

extension ServiceSpec {
    /// Names of the one port the gateway sends requests to, and what they say is spoken there.
    package static let requestPorts: [(name: String, speaks: PortProtocol)] = [
        ("http", .http1), ("h2c", .h2c), ("grpc", .h2c),
    ]

    /// The port the gateway sends requests to; nil for a service that takes none.
    package var requestPort: (name: String, number: Int, speaks: PortProtocol)? {
        for (name, speaks) in Self.requestPorts {
            if let number = ports[name] { return (name, number, speaks) }
        }
        return nil
    }
}
