import Glibc

extension ImageStore {
    package func remove(_ reference: String, keep: Set<String>) async throws(ImageError) {
        try await collector.run { [self] () throws(ImageError) in
            // Waits until no import and no unpacking is under way: their content is not named yet.
            let condemned = try FileLock.hold(
                layout.contentLock, .exclusive, doing: "removing ‘\(reference)’"
            ) { () throws(ImageError) in
                let kept = Set(keep.compactMap { Digest($0) })
                let index = try NamesIndex.update(layout) { index throws(ImageError) in
                    try takeAway(reference, from: &index, keep: kept)
                    return index
                }
                return try condemn(allBut: index.manifests)
            }
            try Files.removeTree(condemned, doing: "removing images that nothing refers to")
        }
    }

    private func takeAway(_ text: String, from index: inout NamesIndex, keep: Set<Digest>) throws(ImageError) {
        let digest = try resolve(text, index)
        let reference = try ImageReference(text)
        if reference.digest == nil {
            index.names[reference.description] = nil
        } else {
            guard !keep.contains(digest) else {
                throw ImageError(.inUse, "image ‘\(text)’ is in use; stop what runs it first")
            }
            for name in index.names(of: digest) { index.names[name] = nil }
        }
        let named = Set(index.names.values)
        index.kept = Set(index.kept + [digest]).intersection(keep).subtracting(named).sorted()
    }

    /// Removes what nothing refers to, unless content is being added or removed just now. Best effort: an index or manifest that cannot be
    /// read is reported by those who need it, and until then nothing is removed.
    func collectIfIdle() {
        guard let lock = FileLock(trying: layout.contentLock) else { return }
        let condemned = (try? NamesIndex.load(layout)).flatMap { try? condemn(allBut: $0.manifests) }
        lock.release()
        if let condemned { try? Files.removeTree(condemned, doing: "removing images that nothing refers to") }
    }

    /// Moves every blob and layer that none of `manifests` needs to a directory of its own, to be removed at leisure: deleting thousands of
    /// files takes long, and whoever starts a container waits for the lock. Under the exclusive content lock.
    /// - Returns: the directory.
    private func condemn(allBut manifests: Set<Digest>) throws(ImageError) -> String {
        var blobs: Set<String> = []
        var needed: Set<String> = []
        for digest in manifests {
            let image = try load(digest)
            blobs.formUnion(image.blobs.map(\.hex))
            needed.formUnion(image.layers.map(\.diffID.hex))
        }
        let doing = "removing images that nothing refers to"
        let condemned = workshop.fresh("condemned")
        try Files.makeDirectory(condemned, doing: doing)
        for name in try Files.names(in: layout.blobs, doing: doing) where !blobs.contains(name) {
            try Files.move(layout.blobs + "/" + name, to: condemned + "/blob-" + name, doing: doing)
        }
        for name in try Files.names(in: layout.layers, doing: doing) where !needed.contains(name) {
            try Files.move(layout.layers + "/" + name, to: condemned + "/layer-" + name, doing: doing)
            unlink(layout.locks + "/layer-" + name)
            if let diffID = Digest(hex: name) { try layers.settling.forget(diffID) }
        }
        return condemned
    }
}
