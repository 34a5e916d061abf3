import Glibc
import LinuxShims
import Synchronization

/// One bridge on the host (`skbr-NAME`), a veth and an address per container, and one table of packet rules (`sidekick-NAME`).
///
/// The kernel itself is the record of who has which address: a veth's name holds the address and its alias the container's id, so
/// both end together, also with the machine. Functions block for the kernel's time (below 1 ms; `open` some more): call them from a
/// thread that may wait. Safe to call from several threads.
///
/// A port's Ethernet and IPv4 address are fixed on the host's side and ports are isolated from one another, so a container can neither
/// pose as another nor reach it past the gateway.
package final class ContainerNetwork: Sendable {
    private let names: NetworkNames
    private let subnet: IPv4Subnet
    private let rules: PacketRules
    private let mtu: UInt32?
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var netlink: Netlink
        var pool: AddressPool
        /// Index of the bridge, 0 until `open`.
        var bridge: Int32 = 0
        var mtu: UInt32 = 1500
    }

    /// - Throws: `invalidConfiguration` when `subnet` is nil or is no IPv4 subnet between /16 and /29.
    package init(configuration: EngineConfiguration) throws(ContainerError) {
        guard let text = configuration.subnet, let subnet = IPv4Subnet(text) else {
            throw ContainerError(
                .invalidConfiguration,
                "engine \(configuration.name): subnet \(configuration.subnet ?? "(none)") is no IPv4 subnet such as 10.88.0.0/16 with a prefix of 16 to 29"
            )
        }
        self.subnet = subnet
        names = NetworkNames(engine: configuration.name)
        mtu = configuration.mtu
        rules = PacketRules(
            table: names.table, bridge: names.bridge, subnet: subnet, masquerade: configuration.masquerade,
            gatewayPort: configuration.gatewayPort)
        state = Mutex(State(netlink: try Netlink(), pool: AddressPool(subnet.hosts)))
    }

    /// The bridge's own address, the containers' default route.
    package var gateway: IPv4Address { subnet.gateway }

    /// Makes what is missing of bridge, gateway address, forwarding and packet rules. To be called once, before anything else.
    package func open() throws(ContainerError) {
        try state.withLock { state throws(ContainerError) in
            let uplinks = defaultRouteLinks()
            let mtus = uplinks.compactMap { link in (try? state.netlink.call("") { sk_link_mtu(&$0, link) }).map { UInt32($0) } }
            state.mtu = mtu ?? mtus.min() ?? 1500
            try makeBridge(&state)
            for link in [names.bridge] + (rules.masquerade ? uplinks : []) { try allowForwarding(link) }
            try rules.load()
        }
    }

    private func makeBridge(_ state: inout State) throws(ContainerError) {
        let mtu = state.mtu
        var index = try state.netlink.call("look for bridge \(names.bridge)", ignoring: [ENODEV]) {
            sk_link_index(&$0, names.bridge)
        }
        if index < 0 {
            let address = EthernetAddress(for: subnet.gateway).bytes
            try state.netlink.call("make bridge \(names.bridge)") { sk_bridge_add(&$0, names.bridge, address, mtu) }
            index = try state.netlink.call("find bridge \(names.bridge)") { sk_link_index(&$0, names.bridge) }
        }
        try state.netlink.call("give bridge \(names.bridge) the address \(subnet.gateway)") {
            sk_address_add(&$0, index, subnet.gateway.bits.bigEndian, UInt8(subnet.prefixLength))
        }
        try state.netlink.call("set bridge \(names.bridge) up") { sk_link_up(&$0, index) }
        state.bridge = index
    }

    /// Takes an address for the container without making anything in the kernel, so that files inside may name it; `attach` and
    /// `detach` follow. Gives the same one again until `detach`.
    package func reserve(_ id: String) throws(ContainerError) -> NetworkAttachment {
        guard let number = state.withLock({ $0.pool.take(for: id) }) else {
            throw ContainerError(
                .resourceMissing,
                "container \(id): all \(subnet.hosts.count) addresses of \(subnet) are taken; remove containers or choose a larger subnet"
            )
        }
        return attachment(number)
    }

    /// Makes the veth, moves `eth0` with its address and default route into the namespace, and sets `lo` up there.
    package func attach(
        _ id: String, to namespace: NetworkNamespace, limits: ContainerLimits = ContainerLimits()
    ) throws(ContainerError) -> NetworkAttachment {
        let attachment = try reserve(id)
        switch namespace {
        case .descriptor(let descriptor):
            try attach(id, attachment, descriptor, limits)
        case .process(let process):
            let descriptor = Glibc.open("/proc/\(process)/ns/net", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw ContainerError(
                    .resourceMissing, "container \(id): network namespace of process \(process) cannot be opened",
                    cause: errorText(errno))
            }
            defer { close(descriptor) }
            try attach(id, attachment, descriptor, limits)
        }
        return attachment
    }

    private func attach(
        _ id: String, _ attachment: NetworkAttachment, _ namespace: Int32, _ limits: ContainerLimits
    ) throws(ContainerError) {
        guard let address = IPv4Address(attachment.address) else { return }
        let outside = try state.withLock { state throws(ContainerError) in
            var veth = sk_veth()
            withInterfaceName(attachment.interface, &veth.name)
            withInterfaceName("eth0", &veth.peer)
            veth.network_namespace = namespace
            veth.bridge = state.bridge
            veth.mtu = state.mtu
            veth.peer_address = address.bits.bigEndian
            copy(EthernetAddress(for: address).bytes, to: &veth.peer_hardware_address)
            veth.isolated = 1
            return try state.netlink.call("make the veth \(attachment.interface) of container \(id)") { socket in
                id.withCString { alias in
                    veth.alias = alias
                    return sk_veth_add(&socket, &veth)
                }
            }
        }
        var inner = try Netlink(in: namespace)
        var inside = sk_inside()
        withInterfaceName("eth0", &inside.link)
        inside.address = address.bits.bigEndian
        inside.gateway = subnet.gateway.bits.bigEndian
        inside.prefix_length = UInt8(subnet.prefixLength)
        copy(EthernetAddress(for: subnet.gateway).bytes, to: &inside.gateway_hardware_address)
        let index = try inner.call("configure eth0 of container \(id)") { sk_inside_configure(&$0, &inside) }
        if let rate = limits.egressBitsPerSecond { try shape(&inner, index, rate, "what container \(id) sends") }
        try state.withLock { state throws(ContainerError) in
            if let rate = limits.ingressBitsPerSecond {
                try shape(&state.netlink, outside, rate, "what container \(id) receives")
            }
            try state.netlink.call("await the veth \(attachment.interface) of container \(id)") { sk_link_await(&$0, outside) }
            // A bridge loses its carrier with its last port.
            let bridge = state.bridge
            try state.netlink.call("await bridge \(names.bridge)") { sk_link_await(&$0, bridge) }
        }
    }

    /// A bucket of 10 ms or one largest segment, whichever is more, and a queue of 50 ms.
    private func shape(_ netlink: inout Netlink, _ index: Int32, _ bitsPerSecond: Int64, _ what: String) throws(ContainerError) {
        let bytes = UInt64(max(bitsPerSecond / 8, 1000))
        let burst = UInt32(clamping: max(bytes / 100, 65_536))
        let queue = UInt32(clamping: max(bytes / 20, 131_072))
        try netlink.call("limit \(what) to \(bitsPerSecond) bit/s") { sk_link_shape(&$0, index, bytes, burst, queue) }
    }

    /// Removes the veth if it is still there and gives the address back. Detaching what is not attached is no error.
    package func detach(_ id: String) throws(ContainerError) {
        guard let (number, bridge) = state.withLock({ state in state.pool[id].map { ($0, state.bridge) } }) else { return }
        try remove(interface: names.veth(number), address: subnet[number], bridge: bridge)
        state.withLock { _ = $0.pool.giveBack(id) }
    }

    private func remove(interface: String, address: IPv4Address, bridge: Int32) throws(ContainerError) {
        // A socket of its own: the kernel waits some 20 ms in a removal, the same for many at once.
        var netlink = try Netlink()
        try netlink.call("remove the veth \(interface)", ignoring: [ENODEV]) { sk_link_delete(&$0, interface) }
        try netlink.call("forget the neighbour \(address)", ignoring: [ENOENT, ENODEV]) {
            sk_neighbour_delete(&$0, bridge, address.bits.bigEndian)
        }
    }

    /// After a restart of the caller: removes the veths of all others, keeps these containers' addresses taken, and says which they have.
    package func recover(keeping: Set<String>) throws(ContainerError) -> [String: NetworkAttachment] {
        try state.withLock { state throws(ContainerError) in
            var found: [String: NetworkAttachment] = [:]
            for port in try ports(&state) {
                guard let number = names.number(ofVeth: port.name) else { continue }
                if keeping.contains(port.id), state.pool.restore(number, for: port.id) {
                    found[port.id] = attachment(number)
                } else {
                    try remove(interface: port.name, address: subnet[number], bridge: state.bridge)
                }
            }
            let kept = Set(found.values.map(\.address))
            for address in try neighbours(&state) where !kept.contains(address.description) {
                let bridge = state.bridge
                try state.netlink.call("forget the neighbour \(address)", ignoring: [ENOENT]) {
                    sk_neighbour_delete(&$0, bridge, address.bits.bigEndian)
                }
            }
            return found
        }
    }

    /// Removes bridge, veths and packet rules.
    package func destroy() throws(ContainerError) {
        try state.withLock { state throws(ContainerError) in
            state.bridge = try state.netlink.call("look for bridge \(names.bridge)", ignoring: [ENODEV]) {
                sk_link_index(&$0, names.bridge)
            }
            if state.bridge > 0 {
                for port in try ports(&state) {
                    try state.netlink.call("remove the veth \(port.name)", ignoring: [ENODEV]) { sk_link_delete(&$0, port.name) }
                }
                try state.netlink.call("remove bridge \(names.bridge)", ignoring: [ENODEV]) { sk_link_delete(&$0, names.bridge) }
            }
            state.bridge = 0
            state.pool = AddressPool(subnet.hosts)
            try rules.unload()
        }
    }

    private func attachment(_ number: UInt32) -> NetworkAttachment {
        NetworkAttachment(
            address: subnet[number].description, gateway: subnet.gateway.description, prefixLength: subnet.prefixLength,
            interface: names.veth(number), hardwareAddress: EthernetAddress(for: subnet[number]).description)
    }

    private func ports(_ state: inout State) throws(ContainerError) -> [(name: String, id: String)] {
        var ports: [(name: String, id: String)] = []
        let bridge = state.bridge
        try state.netlink.call("list the ports of bridge \(names.bridge)") { socket in
            withUnsafeMutablePointer(to: &ports) { list in
                sk_bridge_ports(
                    &socket, bridge,
                    { context, link in
                        guard let context, let link else { return }
                        let list = context.assumingMemoryBound(to: [(name: String, id: String)].self)
                        list.pointee.append((text(link.pointee.name), text(link.pointee.alias)))
                    }, list)
            }
        }
        return ports.sorted { $0.name < $1.name }
    }

    private func neighbours(_ state: inout State) throws(ContainerError) -> [IPv4Address] {
        var addresses: [IPv4Address] = []
        let bridge = state.bridge
        try state.netlink.call("list the neighbours of bridge \(names.bridge)") { socket in
            withUnsafeMutablePointer(to: &addresses) { list in
                sk_neighbours(
                    &socket, bridge,
                    { context, bits in
                        let list = context?.assumingMemoryBound(to: [IPv4Address].self)
                        list?.pointee.append(IPv4Address(bits: UInt32(bigEndian: bits)))
                    }, list)
            }
        }
        return addresses.sorted()
    }
}

/// The text in a fixed, zero-ended C array.
private func text<T>(_ field: T) -> String {
    withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

private func copy<T>(_ bytes: [UInt8], to field: inout T) {
    withUnsafeMutableBytes(of: &field) { $0.copyBytes(from: bytes.prefix($0.count)) }
}
