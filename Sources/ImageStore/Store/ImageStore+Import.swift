extension ImageStore {
    package func importImage(
        path: String, name: String?, configuration: ImageConfiguration?
    ) async throws(ImageError) -> [StoredImage] {
        try await staging { [self] staging throws(ImageError) in
            try ImageImport(
                staging: staging, layers: layers, limits: limits, path: path, name: name, configuration: configuration
            ).run()
        }
    }

    /// Lets `read` stage images, and when they are found good, stores and names them; else nothing of them stays.
    func staging(
        _ read: @escaping @Sendable (Staging) throws(ImageError) -> [ImageImport.Image]
    ) async throws(ImageError) -> [StoredImage] {
        try await adding { () async throws(ImageError) in
            let staging = try await pool.run { [self] () throws(ImageError) in try Staging(layout, workshop, limits) }
            let result: Result<[StoredImage], ImageError>
            do throws(ImageError) {
                let found = try await pool.run { () throws(ImageError) in try read(staging) }
                // Unpacked before it is named: so every diff id and every member is found good or refused.
                let proven = try await pool.run { [self] () throws(ImageError) in try provenLayers() }
                try await unpackLayers(of: found.map(\.image), proven: proven) { staging.path($0) }
                result = .success(try await pool.run { [self] () throws(ImageError) in try take(found, from: staging) })
            } catch {
                result = .failure(error)
            }
            try await pool.run { staging.discard() }
            return try result.get()
        }
    }

    private func take(_ found: [ImageImport.Image], from staging: Staging) throws(ImageError) -> [StoredImage] {
        for item in found { try staging.commit(item.image.blobs) }
        return try NamesIndex.update(layout) { index in
            for item in found {
                for name in item.names { index.assign(name, item.image.digest) }
            }
            return found.map { $0.image.stored(names: index.names(of: $0.image.digest)) }
        }
    }

    package func unpack(_ digest: String) async throws(ImageError) -> UnpackedImage {
        try await adding { () async throws(ImageError) in
            let image = try await pool.run { [self] () throws(ImageError) in
                try load(try resolve(digest, try NamesIndex.load(layout)))
            }
            try await unpackLayers(of: [image], proven: Set(image.layers)) { [layout] digest in
                let path = layout.blob(digest)
                return Files.exists(path) ? path : nil
            }
            // overlayfs takes no directory twice; of a layer that comes twice the upper one decides all it says.
            var seen: Set<Digest> = []
            let topmostFirst = image.layers.reversed().map(\.diffID).filter { seen.insert($0).inserted }
            return UnpackedImage(
                digest: image.digest.description, layers: topmostFirst.map { layout.layer($0) },
                configuration: ImageConfiguration(image.configuration))
        }
    }

    /// Runs `body` while nothing is collected. When it fails, what it had added already is collected.
    func adding<Value: Sendable>(_ body: () async throws(ImageError) -> Value) async throws(ImageError) -> Value {
        let use = try await pool.run { [layout] () throws(ImageError) in
            try FileLock(waiting: layout.contentLock, .shared, doing: "opening the image store")
        }
        do throws(ImageError) {
            let value = try await body()
            use.release()
            return value
        } catch {
            use.release()
            try await collector.run { [self] in collectIfIdle() }
            throw error
        }
    }

    /// Layers of images in the store: that the blob has this diff id was checked when its image came.
    private func provenLayers() throws(ImageError) -> Set<LoadedImage.Layer> {
        var proven: Set<LoadedImage.Layer> = []
        for digest in try NamesIndex.load(layout).manifests {
            // One that is damaged proves nothing.
            if let image = try? load(digest) { proven.formUnion(image.layers) }
        }
        return proven
    }

    /// Unpacks the layers that are not, in parallel, and checks the diff ids of those that are but for which `proven` does not vouch.
    private func unpackLayers(
        of images: [LoadedImage], proven: Set<LoadedImage.Layer>, path: @escaping @Sendable (Digest) -> String?
    ) async throws(ImageError) {
        let wanted = Set(images.flatMap(\.layers)).filter { layer in
            !proven.contains(layer) || !Files.exists(layout.layer(layer.diffID))
        }
        let failure = await withTaskGroup(of: ImageError?.self) { group in
            for layer in wanted.sorted(by: { ($0.diffID, $0.blob) < ($1.diffID, $1.blob) }) {
                group.addTask { [self] in
                    do throws(ImageError) {
                        try await pool.run { () throws(ImageError) in try self.unpackLayer(layer, path(layer.blob)) }
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            var first: ImageError?
            for await failure in group { first = first ?? failure }
            return first
        }
        if !wanted.isEmpty { flushInBackground() }
        if let failure { throw failure }
    }

    private func unpackLayer(_ layer: LoadedImage.Layer, _ path: String?) throws(ImageError) {
        guard let path else { throw ImageError(.notFound, "layer \(layer.blob) is not in the store; import its image again") }
        try layers.ensure(layer.diffID, blob: path, what: "layer \(layer.blob)")
    }
}
