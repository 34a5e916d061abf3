/// What an agent says of its host when a session begins.
package struct HostIdentity: Hashable, Sendable, Codable {
    /// Stable name of the host in the fleet.
    package var host: String
    /// Changes with every boot of the machine.
    package var bootID: String
    package var version: String
    package var cpu: MilliCPU
    package var memory: ByteCount
    package var labels: [String: String]
    /// `address:port` where the host's gateway takes requests of other hosts' gateways; nil when it takes none.
    package var gateway: String?

    package init(
        host: String, bootID: String, version: String, cpu: MilliCPU, memory: ByteCount, labels: [String: String],
        gateway: String? = nil
    ) {
        self.host = host
        self.bootID = bootID
        self.version = version
        self.cpu = cpu
        self.memory = memory
        self.labels = labels
        self.gateway = gateway
    }
}
