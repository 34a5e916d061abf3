/// Something in the store that is not what its name says.
package struct ImageDamage: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case missing, altered, unreadable }

    /// `sha256:…` of the blob.
    package var digest: String
    package var kind: Kind
    /// Names of the images that need it; a digest stands for an image without name.
    package var images: [String]

    package init(digest: String, kind: Kind, images: [String]) {
        self.digest = digest
        self.kind = kind
        self.images = images
    }
}

extension ImageStore {
    /// Reads every blob of every image again and finds those that are missing, changed or unreadable, sorted by digest.
    /// - Parameter repair: takes altered blobs out of the store, so that importing their images again brings them back.
    package func verify(repair: Bool = false) async throws(ImageError) -> [ImageDamage] {
        try await adding { () async throws(ImageError) in
            let users = try await pool.run { [self] () throws(ImageError) in try usersOfBlobs() }
            let found = await withTaskGroup(of: ImageDamage?.self) { group in
                for (digest, images) in users {
                    group.addTask { [self] in
                        // A worker that throws nothing answers always.
                        let kind = try? await pool.run { self.check(digest, repair: repair) }
                        return kind.flatMap { $0 }.map {
                            ImageDamage(digest: digest.description, kind: $0, images: images.sorted())
                        }
                    }
                }
                return await group.reduce(into: [ImageDamage]()) { all, damage in if let damage { all.append(damage) } }
            }
            return found.sorted { $0.digest < $1.digest }
        }
    }

    /// Each blob that an image needs, as far as manifests can be read, and who needs it.
    private func usersOfBlobs() throws(ImageError) -> [Digest: [String]] {
        let index = try NamesIndex.load(layout)
        var users: [Digest: [String]] = [:]
        for manifest in index.manifests {
            let names = index.names(of: manifest)
            let user = names.isEmpty ? [manifest.description] : names
            // One that cannot be read is itself among the damage.
            let blobs = (try? load(manifest))?.blobs ?? [manifest]
            for blob in Set(blobs) { users[blob, default: []] += user }
        }
        return users
    }

    private func check(_ digest: Digest, repair: Bool) -> ImageDamage.Kind? {
        let path = layout.blob(digest)
        guard Files.exists(path) else { return .missing }
        do {
            let bytes = HashedSource(try FileSource(path: path, what: "blob \(digest)"), what: "blob \(digest)")
            if try bytes.finish() == digest { return nil }
            if repair { try Files.removeTree(path, doing: "removing the altered blob \(digest)") }
            return .altered
        } catch {
            return .unreadable
        }
    }
}
