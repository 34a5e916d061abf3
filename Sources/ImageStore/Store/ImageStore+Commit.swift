extension ImageStore {
    /// Makes a new image of `base` and one more layer: what a container changed.
    /// - Parameters:
    ///   - upper: the container's writable layer (overlayfs's upper directory); nothing may write to it meanwhile.
    ///   - base: the image the container was made from.
    ///   - name: reference the new image gets.
    ///   - configuration: replaces that of `base` when given.
    ///   - comment: kept in the image's history.
    package func commit(
        upper: String, base: String, name: String, configuration: ImageConfiguration? = nil, comment: String = ""
    ) async throws(ImageError) -> StoredImage {
        let reference = try ImageReference(name)
        guard reference.name != nil, reference.digest == nil else {
            throw ImageError(.invalidReference, "‘\(name)’ cannot be given as a name: write NAME[:TAG] without a digest")
        }
        return try await staging { staging throws(ImageError) in
            [
                ImageImport.Image(
                    image: try self.stageCommit(upper, base, configuration, comment, staging), names: [reference.description])
            ]
        }[0]
    }

    private func stageCommit(
        _ upper: String, _ base: String, _ configuration: ImageConfiguration?, _ comment: String, _ staging: Staging
    ) throws(ImageError) -> LoadedImage {
        let image = try load(try resolve(base, try NamesIndex.load(layout)))
        let (layer, diffID) = try staging.addLayer(upper: upper, limits: limits)
        let bytes = try staging.read(image.manifest.config.digest, limit: limits.documentBytes, what: "the configuration")
        var document = try OCI.read(JSONValue.self, bytes, what: "the configuration of image \(image.digest)")
        configuration?.apply(to: &document)
        let ids = image.configuration.rootfs.diff_ids + [diffID]
        document["rootfs"] = .object(["type": .text("layers"), "diff_ids": .list(ids.map { .text($0.description) })])
        var event: [String: JSONValue] = ["created_by": .text("sidekick commit")]
        if !comment.isEmpty { event["comment"] = .text(comment) }
        document["history"] = .list((document["history"]?.elements ?? []) + [.object(event)])

        let staged = try staging.add(try OCI.write(document, what: "the configuration"), what: "the configuration")
        var manifest = image.manifest
        manifest.mediaType = MediaType.manifest
        manifest.config = OCI.Descriptor(mediaType: MediaType.configuration, digest: staged.digest, size: staged.size)
        manifest.layers.append(OCI.Descriptor(mediaType: MediaType.layer(.zstd), digest: layer.digest, size: layer.size))
        let digest = try staging.add(try OCI.write(manifest, what: "the manifest"), what: "the manifest").digest
        return try LoadedImage(digest, limits: limits) { digest, kind throws(ImageError) in
            try staging.read(digest, limit: limits.documentBytes, what: kind)
        }
    }
}

extension Staging {
    /// Packs an upper directory as a zstd layer.
    fileprivate func addLayer(upper: String, limits: ImageLimits) throws(ImageError) -> (blob: Blob, diffID: Digest) {
        let what = "‘\(upper)’"
        var diffID: Digest?
        let blob = try add(what: what) { sink throws(ImageError) in
            let tar = HashedSink(try CompressedSink(sink, .zstd, what: what))
            try LayerPacker(try ArchiveWriter(tar, format: .pax, what: what), limits: limits, what: what).pack(upper)
            diffID = tar.digest
        }
        guard let diffID else { throw ImageError(.inputOutput, "packing \(what): the archive was not finished") }
        return (blob, diffID)
    }
}
