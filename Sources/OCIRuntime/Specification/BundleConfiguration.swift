/// `config.json` of a bundle as the OCI runtime specification defines it (opencontainers/runtime-spec config.md and config-linux.md), as
/// far as Linux containers are concerned. Keys that the specification does not know are passed over, as it demands.
package struct BundleConfiguration: Codable, Sendable {
    package var ociVersion: String
    package var process: ProcessSpecification?
    package var root: Root?
    package var hostname: String?
    package var domainname: String?
    package var mounts: [Mount]?
    package var hooks: Hooks?
    package var annotations: [String: String]?
    package var linux: LinuxSpecification?

    package struct Root: Codable, Sendable {
        /// Absolute, or below the bundle.
        package var path: String
        package var readonly: Bool?
    }

    package struct Mount: Codable, Sendable {
        package var destination: String
        package var type: String?
        package var source: String?
        package var options: [String]?
        package var uidMappings: [IDMapping]?
        package var gidMappings: [IDMapping]?
    }

    package struct Hooks: Codable, Sendable {
        package var prestart: [Hook]?
        package var createRuntime: [Hook]?
        package var createContainer: [Hook]?
        package var startContainer: [Hook]?
        package var poststart: [Hook]?
        package var poststop: [Hook]?

        package init() {}
    }

    package struct Hook: Codable, Sendable {
        package var path: String
        package var args: [String]?
        package var env: [String]?
        /// Seconds.
        package var timeout: Int32?
    }
}

package struct IDMapping: Codable, Hashable, Sendable {
    package var containerID: UInt32
    package var hostID: UInt32
    package var size: UInt32
}
