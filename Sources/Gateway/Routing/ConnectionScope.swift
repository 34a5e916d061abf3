package import EventLoop

/// From where a connection reached the gateway, and with that whether the fleet's internal names are routed on it.
package enum ConnectionScope: Hashable, Sendable {
    /// A container of this host, or the host itself, at the bridge's address.
    case containers
    /// Another host's gateway, which has to show the fleet's secret.
    case peers
    /// Anywhere else. Loopback and Unix sockets count as such too: what comes there may be a proxy's, asked by anybody.
    case outside

    /// - Parameters:
    ///   - local: the address that the connection was accepted at; nil when it is not known.
    ///   - peer: the address that it comes from.
    package init(local: SocketAddress?, peer: SocketAddress?, isPeer: Bool, bridge: ContainerBridge?) {
        if isPeer {
            self = .peers
        } else if let bridge, let local, let peer, bridge.address.contains(local), bridge.subnet.contains(peer) {
            self = .containers
        } else {
            self = .outside
        }
    }

    /// Whether names under `.sidekick.internal` are routed. Where they are not they are hosts that nobody knows.
    package var routesInternalNames: Bool { self != .outside }
}

/// The bridge of this host's containers, by whose address they find the gateway.
///
/// A client's address counts beside the one it connected to: Linux takes packets for the bridge's address on every interface, but what
/// answers an address of the subnet leaves by the bridge, so nobody elsewhere completes a connection with one.
package struct ContainerBridge: Hashable, Sendable {
    package let address: AddressRange
    package let subnet: AddressRange

    /// nil when either text is no address or range.
    package init?(address: String, subnet: String) {
        guard let address = AddressRange(text: address), let subnet = AddressRange(text: subnet) else { return nil }
        self.address = address
        self.subnet = subnet
    }
}
