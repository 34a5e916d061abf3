/// One image in the store, as its manifest and configuration say.
package struct StoredImage: Hashable, Sendable, Codable {
    /// Digest of the manifest, `sha256:…`: what identifies the image.
    package var digest: String
    /// References that mean it here, such as `web:1.4.2`, in order.
    package var names: [String]
    /// Compressed size of configuration and layers in bytes.
    package var size: Int64
    /// Digests of the layers as stored, bottom first.
    package var layers: [String]
    package var configuration: ImageConfiguration

    package init(digest: String, names: [String], size: Int64, layers: [String], configuration: ImageConfiguration) {
        self.digest = digest
        self.names = names
        self.size = size
        self.layers = layers
        self.configuration = configuration
    }
}

/// The parts of an OCI image configuration that running it needs.
package struct ImageConfiguration: Hashable, Sendable, Codable {
    package var architecture: String = "amd64"
    package var operatingSystem: String = "linux"
    package var entrypoint: [String] = []
    package var command: [String] = []
    /// `NAME=value`.
    package var environment: [String] = []
    package var workingDirectory: String = "/"
    /// `user`, `uid`, `user:group` or `uid:gid` as the image says it; empty means root.
    package var user: String = ""
    package var stopSignal: String?
    package var labels: [String: String] = [:]

    package init() {}
}

/// An image whose layers are unpacked on this host and ready to be mounted.
package struct UnpackedImage: Hashable, Sendable, Codable {
    package var digest: String
    /// Layer directories, topmost first (overlayfs `lowerdir` order).
    package var layers: [String]
    package var configuration: ImageConfiguration

    package init(digest: String, layers: [String], configuration: ImageConfiguration) {
        self.digest = digest
        self.layers = layers
        self.configuration = configuration
    }
}

/// What the image store failed at.
package struct ImageError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        case notFound, inUse, invalidReference, unsupportedFormat, corrupt, digestMismatch, truncated, unsafeMember, tooLarge,
            noSpace, inputOutput
    }

    package var code: Code
    /// Names the operation and the object, and what to do next where that is known.
    package var message: String
    package var cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message): \($0)" } ?? message }
}
