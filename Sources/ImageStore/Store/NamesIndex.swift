import FoundationEssentials

/// Which name means which manifest, in one file that is replaced as a whole.
struct NamesIndex: Codable {
    /// Normal form of a reference without digest → manifest digest.
    var names: [String: Digest] = [:]
    /// Manifests without a name that were in use when they lost it.
    var kept: [Digest] = []

    /// Manifests that must stay.
    var manifests: Set<Digest> { Set(names.values).union(kept) }

    func names(of digest: Digest) -> [String] { names.filter { $0.value == digest }.keys.sorted() }

    /// Gives `name` to `digest`. An image that thereby loses its last name is kept until something is removed.
    mutating func assign(_ name: String, _ digest: Digest) {
        let before = names.updateValue(digest, forKey: name)
        if let before, before != digest, names(of: before).isEmpty, !kept.contains(before) { kept.append(before) }
        kept.removeAll { $0 == digest }
    }

    static func load(_ layout: StoreLayout) throws(ImageError) -> NamesIndex {
        let path = layout.root + "/" + layout.namesFile
        guard Files.exists(path) else { return NamesIndex() }
        let bytes = try Files.read(path, limit: 256 << 20, doing: "reading the names of images")
        return try OCI.read(NamesIndex.self, bytes, what: "the list of image names \(path)")
    }

    /// Changes the file under its lock: on a thread that may wait.
    static func update<Value>(
        _ layout: StoreLayout, _ change: (inout NamesIndex) throws(ImageError) -> Value
    ) throws(ImageError) -> Value {
        let doing = "writing the names of images"
        return try FileLock.hold(layout.namesLock, .exclusive, doing: doing) { () throws(ImageError) in
            var index = try load(layout)
            let value = try change(&index)
            let bytes = try OCI.write(index, what: "the list of image names")
            try Files.replace(layout.namesFile, in: layout.root, with: bytes, doing: doing)
            return value
        }
    }
}
