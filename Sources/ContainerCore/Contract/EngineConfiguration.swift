/// Where an engine keeps its things and how it names what it makes in the kernel. Two engines with different names share nothing.
package struct EngineConfiguration: Hashable, Sendable, Codable {
    /// 1-8 of `a-z 0-9`: part of the names of cgroups (`/sidekick-NAME`), bridge (`skbr-NAME`), veths and nftables table (`sidekick-NAME`).
    package var name: String
    /// Durable state: one directory per container (configuration, writable layer, log, exit record).
    package var stateDirectory: String
    /// Sockets and other state that ends with the machine's boot.
    package var runDirectory: String
    /// Path of the `sidekick-init` executable.
    package var initPath: String
    /// Subnet of the bridge in CIDR form, its first address the bridge's own; nil makes no network.
    package var subnet: String?
    /// Whether containers may reach beyond the bridge through the host (masqueraded).
    package var masquerade: Bool
    /// How many guards with empty namespaces are kept ready, so that preparing a container costs its root file system only; 0 for none.
    package var readyCradles: Int

    package init(
        name: String, stateDirectory: String, runDirectory: String, initPath: String, subnet: String? = "10.88.0.0/16",
        masquerade: Bool = true, readyCradles: Int = 4
    ) {
        self.name = name
        self.stateDirectory = stateDirectory
        self.runDirectory = runDirectory
        self.initPath = initPath
        self.subnet = subnet
        self.masquerade = masquerade
        self.readyCradles = readyCradles
    }
}
