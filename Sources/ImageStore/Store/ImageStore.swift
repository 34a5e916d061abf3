import Glibc

/// The images of one host in one directory: blobs by their digest, names, and unpacked layers. Several processes may have the same
/// directory open, and several tasks may use one of these.
package final class ImageStore: ImageLibrary {
    let layout: StoreLayout
    let limits: ImageLimits
    let workshop: Workshop
    let layers: LayerStore
    /// Reading, hashing and unpacking.
    let pool: WorkerPool
    /// What waits until nobody adds content any more must not hold up those who do.
    let collector = WorkerPool(limit: 1)
    /// Flushing unpacked layers to disk, which nobody waits for.
    let flusher = WorkerPool(limit: 1)

    /// Opens the store at `root`, an absolute path, making it when it is not there, and removes what a crash left.
    /// - Parameter workers: layers unpacked at a time; nil takes one per processor, at least 2, at most 8.
    package init(root: String, limits: ImageLimits = ImageLimits(), workers: Int? = nil) throws(ImageError) {
        guard root.hasPrefix("/"), !root.contains(":") else {
            throw ImageError(.inputOutput, "the image store’s directory ‘\(root)’ must be an absolute path without a colon")
        }
        layout = StoreLayout(root: root)
        self.limits = limits
        try layout.make()
        workshop = try Workshop(layout)
        layers = LayerStore(layout: layout, workshop: workshop, limits: limits, settling: try SettlingLayers(layout))
        pool = WorkerPool(limit: workers ?? min(8, max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
        try removeDoubtfulLayers()
        collectIfIdle()
        flushInBackground()
    }

    /// Waits until every layer unpacked so far would survive a loss of power. Layers that do not are found at the next opening and
    /// unpacked again when they are asked for.
    package func synchronize() async throws(ImageError) {
        try await flusher.run { [settling = layers.settling] () throws(ImageError) in try settling.flush() }
    }

    func flushInBackground() {
        // What fails here stays marked, and is tried again after the next unpacking or opening.
        flusher.start { [settling = layers.settling] in try? settling.flush() }
    }

    /// Removes layers of which an earlier boot may have left only a part on disk.
    private func removeDoubtfulLayers() throws(ImageError) {
        let settling = layers.settling
        guard !(try settling.doubtful()).isEmpty else { return }
        let doing = "removing layers that a loss of power may have damaged"
        try FileLock.hold(layout.contentLock, .exclusive, doing: doing) { () throws(ImageError) in
            for diffID in try settling.doubtful() {
                try Files.removeTree(layout.layer(diffID), doing: doing)
                try settling.forget(diffID)
            }
        }
    }

    package func images() async throws(ImageError) -> [StoredImage] {
        try await pool.run { [self] () throws(ImageError) in
            let index = try NamesIndex.load(layout)
            var images: [StoredImage] = []
            for digest in index.manifests.sorted() { images.append(try load(digest).stored(names: index.names(of: digest))) }
            return images.sorted { ($0.names.first ?? "", $0.digest) < ($1.names.first ?? "", $1.digest) }
        }
    }

    package func image(_ reference: String) async throws(ImageError) -> StoredImage {
        try await pool.run { [self] () throws(ImageError) in
            let index = try NamesIndex.load(layout)
            let digest = try resolve(reference, index)
            return try load(digest).stored(names: index.names(of: digest))
        }
    }

    /// The manifest that a reference means here.
    func resolve(_ text: String, _ index: NamesIndex) throws(ImageError) -> Digest {
        let reference = try ImageReference(text)
        if let digest = reference.digest.flatMap({ Digest($0) }) {
            guard Files.exists(layout.blob(digest)) else { throw Self.missing(text) }
            return digest
        }
        guard let digest = index.names[reference.description] else { throw Self.missing(text) }
        return digest
    }

    static func missing(_ reference: String) -> ImageError {
        ImageError(.notFound, "there is no image ‘\(reference)’ here; import it first: sidekick image import FILE")
    }

    /// The stored image with this manifest.
    func load(_ digest: Digest) throws(ImageError) -> LoadedImage {
        try LoadedImage(digest, limits: limits) { digest, kind throws(ImageError) in
            let path = layout.blob(digest)
            guard Files.exists(path) else {
                throw ImageError(.notFound, "\(kind) \(digest) is not in the store; import the image again")
            }
            let bytes = try Files.read(path, limit: limits.documentBytes, doing: "reading \(kind) \(digest)")
            guard Digest(of: bytes) == digest else {
                throw ImageError(.corrupt, "\(kind) \(digest) is damaged on disk; remove the image and import it again")
            }
            return bytes
        }
    }
}
