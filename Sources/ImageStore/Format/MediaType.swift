/// The media types of the OCI image specification (media-types.md) and of Docker's schema 2, which mean the same.
enum MediaType {
    static let index = "application/vnd.oci.image.index.v1+json"
    static let manifest = "application/vnd.oci.image.manifest.v1+json"
    static let configuration = "application/vnd.oci.image.config.v1+json"
    static let dockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"
    static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    static let dockerConfiguration = "application/vnd.docker.container.image.v1+json"

    static let indexes: Set = [index, dockerIndex]
    static let manifests: Set = [manifest, dockerManifest]
    static let configurations: Set = [configuration, dockerConfiguration]

    /// Layers that can be unpacked; what compresses them is found by content.
    static let layers: Set = [
        "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ]

    static func layer(_ compression: Compression) -> String {
        switch compression {
        case .none: "application/vnd.oci.image.layer.v1.tar"
        case .gzip: "application/vnd.oci.image.layer.v1.tar+gzip"
        case .zstd: "application/vnd.oci.image.layer.v1.tar+zstd"
        }
    }
}

/// What a stream is compressed with, told by its first bytes.
enum Compression: Sendable {
    case none, gzip, zstd

    /// How many bytes are needed to tell.
    static let prefixLength = 4

    init(prefix: some Collection<UInt8>) {
        let first = Array(prefix.prefix(Self.prefixLength))
        if first.starts(with: [0x1f, 0x8b]) {
            self = .gzip
        } else if first == [0x28, 0xb5, 0x2f, 0xfd]
            || (first.count == 4 && first[0] & 0xf0 == 0x50 && first[1...] == [0x2a, 0x4d, 0x18])
        {
            // The second form is a skippable frame (RFC 8878, 3.1.2).
            self = .zstd
        } else {
            self = .none
        }
    }
}
