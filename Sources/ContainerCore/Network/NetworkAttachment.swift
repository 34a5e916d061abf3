/// A container's place on the engine's bridge.
package struct NetworkAttachment: Hashable, Sendable, Codable {
    /// IPv4 address of the container, such as `10.88.0.7`.
    package var address: String
    /// The bridge's own address, the container's default route.
    package var gateway: String
    package var prefixLength: Int
    /// Name of the veth's end on the host; inside it is `eth0`.
    package var interface: String
    /// Ethernet address of `eth0`, derived from the IPv4 address so that neighbours' caches stay right when an address is used again.
    package var hardwareAddress: String

    package init(address: String, gateway: String, prefixLength: Int, interface: String, hardwareAddress: String) {
        self.address = address
        self.gateway = gateway
        self.prefixLength = prefixLength
        self.interface = interface
        self.hardwareAddress = hardwareAddress
    }
}

/// Names a network namespace; it must stay alive for the call only.
package enum NetworkNamespace: Hashable, Sendable {
    /// An open `/proc/PID/ns/net` or the like.
    case descriptor(Int32)
    /// The namespace that this process is in.
    case process(Int32)
}
