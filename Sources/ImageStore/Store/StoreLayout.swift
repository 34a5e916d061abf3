/// Where things lie below a store's root.
struct StoreLayout: Sendable {
    /// Absolute.
    let root: String

    /// `blobs/sha256/<hex>`: content, never changed once there.
    var blobs: String { root + "/blobs/sha256" }
    /// `layers/<hex of the diff id>/`: unpacked layers, whole once there.
    var layers: String { root + "/layers" }
    /// One directory per open store, for what is not whole yet.
    var temporary: String { root + "/tmp" }
    /// One lock file per layer being unpacked.
    var locks: String { root + "/locks" }
    /// One empty file per layer that may not be on disk yet.
    var settling: String { root + "/settling" }
    var namesFile: String { "names.json" }
    /// Serialises writers of the names.
    var namesLock: String { locks + "/names" }
    /// Shared while content is added or unpacked, exclusive while content is removed.
    var contentLock: String { locks + "/content" }
    /// Exclusive while a store is opened, so that no two clean up at once.
    var openLock: String { locks + "/open" }

    func blob(_ digest: Digest) -> String { blobs + "/" + digest.hex }
    func layer(_ diffID: Digest) -> String { layers + "/" + diffID.hex }
    func layerLock(_ diffID: Digest) -> String { locks + "/layer-" + diffID.hex }

    func make() throws(ImageError) {
        var path = ""
        for part in root.split(separator: "/") {
            path += "/" + part
            try Files.makeDirectory(path, mode: 0o755, doing: "opening the image store \(root)")
        }
        for path in [root + "/blobs", blobs, layers, temporary, locks, settling] {
            try Files.makeDirectory(path, doing: "opening the image store \(root)")
        }
    }
}
