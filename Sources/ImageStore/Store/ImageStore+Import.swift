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
            let staging = try await pool.run { [self] () throws(ImageError) in try Staging(layout, workshop) }
            let result: Result<[StoredImage], ImageError>
            do throws(ImageError) {
                let found = try await pool.run { () throws(ImageError) in try read(staging) }
                // Unpacked before it is named: so every diff id and every member is found good or refused.
                try await unpackLayers(of: found.map(\.image)) { staging.path($0) }
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
            try await unpackLayers(of: [image]) { [layout] digest in
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

    /// Unpacks the layers that are not, in parallel.
    private func unpackLayers(
        of images: [LoadedImage], path: @escaping @Sendable (Digest) -> String?
    ) async throws(ImageError) {
        var wanted: [Digest: Digest] = [:]
        for layer in images.flatMap(\.layers) where !Files.exists(layout.layer(layer.diffID)) {
            wanted[layer.diffID] = layer.blob
        }
        let failure = await withTaskGroup(of: ImageError?.self) { group in
            for (diffID, blob) in wanted.sorted(by: { $0.key < $1.key }) {
                group.addTask { [self] in
                    do throws(ImageError) {
                        try await pool.run { () throws(ImageError) in try self.unpackLayer(diffID, blob, path(blob)) }
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

    private func unpackLayer(_ diffID: Digest, _ blob: Digest, _ path: String?) throws(ImageError) {
        if Files.exists(layout.layer(diffID)) { return }
        guard let path else { throw ImageError(.notFound, "layer \(blob) is not in the store; import its image again") }
        try layers.ensure(diffID, blob: path, what: "layer \(blob)")
    }
}
