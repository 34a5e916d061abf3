/// One bridge on the host (`skbr-NAME`), a veth and an address per container, and one masquerade table (`sidekick-NAME`).
///
/// The kernel itself is the record of who has which address: a veth's name holds the address and its alias the container's id, so
/// both end together, also with the machine. Functions block for the kernel's time (below 1 ms; `open` some more): call them from a
/// thread that may wait. Safe to call from several threads.
package final class ContainerNetwork: Sendable {
    private let configuration: EngineConfiguration

    /// - Throws: `invalidConfiguration` when `subnet` is nil or is no IPv4 subnet between /16 and /29.
    package init(configuration: EngineConfiguration) throws(ContainerError) {
        self.configuration = configuration
    }

    /// Makes what is missing of bridge, gateway address, forwarding and masquerade. To be called once, before anything else.
    package func open() throws(ContainerError) {}

    /// Takes an address for the container without making anything in the kernel, so that files inside may name it; `attach` and
    /// `detach` follow. Gives the same one again until `detach`.
    package func reserve(_ id: String) throws(ContainerError) -> NetworkAttachment {
        throw ContainerError(.resourceMissing, "reserve an address for \(id): not made yet")
    }

    /// Makes the veth, moves `eth0` with its address and default route into the namespace, and sets `lo` up there.
    package func attach(
        _ id: String, to namespace: NetworkNamespace, limits: ContainerLimits = ContainerLimits()
    ) throws(ContainerError) -> NetworkAttachment {
        throw ContainerError(.resourceMissing, "attach \(id): not made yet")
    }

    /// Removes the veth if it is still there and gives the address back. Detaching what is not attached is no error.
    package func detach(_ id: String) throws(ContainerError) {}

    /// After a restart of the caller: removes the veths of all others, keeps these containers' addresses taken, and says which they have.
    package func recover(keeping: Set<String>) throws(ContainerError) -> [String: NetworkAttachment] { [:] }

    /// Removes bridge, veths and masquerade table.
    package func destroy() throws(ContainerError) {}
}
