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
    /// Whether the engine answers containers' questions for names, and those of this configuration ask it alone. Only for an engine that
    /// lives as long as its containers: they have no other resolver.
    package var servesNames = false
    /// Port at which the host's gateway listens on the bridge's address: what containers send to port 80 of that address goes there. Nil
    /// for no gateway.
    package var gatewayPort: UInt16?
    /// Largest packet of the bridge and the containers' links, 1280 to 65,535; that of the default route's link when nil.
    package var mtu: UInt32?
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
