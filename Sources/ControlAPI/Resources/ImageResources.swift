/// One image the controller holds.
package struct ImageSummary: Hashable, Sendable, Codable {
    package var digest: String
    package var names: [String]
    /// Bytes.
    package var size: Int64
    package var layers: Int

    package init(digest: String, names: [String], size: Int64, layers: Int) {
        self.digest = digest
        self.names = names
        self.size = size
        self.layers = layers
    }
}

/// Body of `POST /v1/images/import`: the archive is read by the controller from its own file system (local socket only); `PUT /v1/images`
/// streams one instead.
package struct ImageImportRequest: Hashable, Sendable, Codable {
    /// Absolute path on the controller's host.
    package var path: String
    package var name: String?
    /// For a root file system tarball: what to run.
    package var command: [String]?
    package var environment: [String]?

    package init(path: String, name: String?, command: [String]? = nil, environment: [String]? = nil) {
        self.path = path
        self.name = name
        self.command = command
        self.environment = environment
    }
}
