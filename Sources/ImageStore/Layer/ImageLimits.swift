/// What one image may ask of a host. Beyond these it is refused with `tooLarge`.
package struct ImageLimits: Hashable, Sendable {
    /// Uncompressed bytes of one layer.
    package var layerBytes: Int64 = 64 << 30
    /// Bytes of all blobs that one import brings.
    package var importBytes: Int64 = 256 << 30
    /// Files, directories, links and the rest in one layer.
    package var members: Int = 4_000_000
    /// Bytes of a member's path or link target (Linux's PATH_MAX with the terminating zero).
    package var pathBytes: Int = 4095
    /// Directories one within the other.
    package var depth: Int = 256
    /// Bytes of one member's extended attributes.
    package var attributeBytes: Int = 1 << 20
    /// Layers of one image: overlayfs takes 500 of them.
    package var layers: Int = 256
    /// Bytes of a manifest, index or configuration.
    package var documentBytes: Int = 8 << 20

    package init() {}
}
