import Glibc

extension ImageStore {
    /// Writes images to one tar archive at `path` that is both an OCI layout and what `docker load` takes; it is there whole or not at all.
    /// - Parameter references: at least one; names or digests.
    package func exportImages(_ references: [String], to path: String) async throws(ImageError) {
        guard !references.isEmpty else { throw ImageError(.invalidReference, "saving images: name at least one") }
        try await adding { () async throws(ImageError) in
            try await pool.run { [self] () throws(ImageError) in
                let doing = "saving to ‘\(path)’"
                let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
                let partial = "\(path[..<slash]).\(path[slash...]).partial"
                do throws(ImageError) {
                    try write(references, to: try FileSink(path: partial, doing: doing), what: "‘\(path)’")
                    guard chmod(partial, 0o644) == 0 else { throw ImageError.system(doing, "chmod") }
                    try Files.move(partial, to: path, doing: doing)
                } catch {
                    unlink(partial)
                    throw error
                }
            }
        }
    }

    private func write(_ references: [String], to sink: any ByteSink, what: String) throws(ImageError) {
        let index = try NamesIndex.load(layout)
        var images: [(image: LoadedImage, names: [String])] = []
        for text in references {
            let image = try load(try resolve(text, index))
            let reference = try ImageReference(text)
            let names = reference.name == nil || reference.digest != nil ? [] : [reference.description]
            if let known = images.firstIndex(where: { $0.image.digest == image.digest }) {
                images[known].names += names
            } else {
                images.append((image, names))
            }
        }
        let writer = try ArchiveWriter(sink, format: .pax, what: what)
        try add(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8), as: "oci-layout", to: writer)
        for directory in ["blobs/", "blobs/sha256/"] {
            let entry = ArchiveEntry()
            entry.set(path: Array(directory.utf8), kind: S_IFDIR, mode: 0o755)
            try writer.begin(entry)
        }
        var written: Set<Digest> = []
        for digest in images.flatMap(\.image.blobs) where written.insert(digest).inserted { try add(digest, to: writer) }
        try add(try OCI.write(layoutIndex(images), what: "index.json"), as: "index.json", to: writer)
        try add(try OCI.write(dockerIndex(images), what: "manifest.json"), as: "manifest.json", to: writer)
        try writer.finish()
    }

    private func layoutIndex(_ images: [(image: LoadedImage, names: [String])]) -> OCI.Index {
        let manifests = images.flatMap { image, names in
            (names.isEmpty ? [nil] : names.map(Optional.some)).map { name in
                OCI.Descriptor(
                    mediaType: image.manifest.mediaType ?? MediaType.manifest, digest: image.digest,
                    size: Files.size(layout.blob(image.digest)) ?? 0,
                    platform: OCI.Platform(
                        architecture: image.configuration.architecture, os: image.configuration.os, variant: nil),
                    annotations: name.map { ["org.opencontainers.image.ref.name": $0] })
            }
        }
        return OCI.Index(schemaVersion: 2, mediaType: MediaType.index, manifests: manifests)
    }

    private func dockerIndex(_ images: [(image: LoadedImage, names: [String])]) -> [OCI.DockerArchiveImage] {
        images.map { image, names in
            OCI.DockerArchiveImage(
                Config: "blobs/sha256/" + image.manifest.config.digest.hex, RepoTags: names,
                Layers: image.manifest.layers.map { "blobs/sha256/" + $0.digest.hex })
        }
    }

    private func add(_ bytes: [UInt8], as path: String, to writer: ArchiveWriter) throws(ImageError) {
        let entry = ArchiveEntry()
        entry.set(path: Array(path.utf8), kind: S_IFREG, mode: 0o644, size: Int64(bytes.count))
        try writer.begin(entry)
        try bytes.withUnsafeBufferPointer { buffer throws(ImageError) in try writer.write(UnsafeRawBufferPointer(buffer)) }
    }

    /// Copies a blob, checking it on the way: what leaves the store is what its name says.
    private func add(_ digest: Digest, to writer: ArchiveWriter) throws(ImageError) {
        let what = "blob \(digest)"
        guard let size = Files.size(layout.blob(digest)) else {
            throw ImageError(.notFound, "\(what) is not in the store; import its image again")
        }
        let entry = ArchiveEntry()
        entry.set(path: Array(("blobs/sha256/" + digest.hex).utf8), kind: S_IFREG, mode: 0o644, size: size)
        try writer.begin(entry)
        let source = HashedSource(try FileSource(path: layout.blob(digest), what: what), what: what)
        while let block = try source.next() { try writer.write(block) }
        guard try source.finish() == digest else {
            throw ImageError(.corrupt, "\(what) is damaged on disk; remove its image and import it again")
        }
    }
}
