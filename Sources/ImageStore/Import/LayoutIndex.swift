/// Finds the images that an OCI layout's index means on this platform.
struct LayoutIndex {
    struct Found {
        let digest: Digest
        /// As the layout says it; nil when it does not.
        let name: String?
    }

    /// An index within an index within an index is as deep as anyone goes.
    private static let maximumDepth = 4

    let limits: ImageLimits
    /// For errors.
    let what: String
    /// Makes sure that a blob is at hand, and gives a document's bytes.
    let read: (OCI.Descriptor, String) throws(ImageError) -> [UInt8]

    /// - Parameter bytes: index.json.
    func images(_ bytes: [UInt8]) throws(ImageError) -> [Found] {
        let index = try OCI.read(OCI.Index.self, bytes, what: "index.json of \(what)")
        var found: [Found] = []
        var offered: [String] = []
        for descriptor in index.manifests {
            let name = descriptor.annotations.flatMap {
                $0["io.containerd.image.name"] ?? $0["org.opencontainers.image.ref.name"]
            }
            if let digest = try choose(descriptor, depth: 0, &offered) { found.append(Found(digest: digest, name: name)) }
        }
        guard !found.isEmpty else {
            throw ImageError(
                .unsupportedFormat,
                "\(what) holds no image for \(OCI.Platform.host.text)"
                    + (offered.isEmpty ? "" : "; it offers \(offered.joined(separator: ", "))"))
        }
        return found
    }

    /// The manifest that a descriptor means here: itself, or what a nested index has for this platform.
    private func choose(_ descriptor: OCI.Descriptor, depth: Int, _ offered: inout [String]) throws(ImageError) -> Digest? {
        if let platform = descriptor.platform, !OCI.Platform.host.runs(platform) {
            if platform.os != "unknown" { offered.append(platform.text) }
            return nil
        }
        let type = descriptor.mediaType ?? MediaType.manifest
        if MediaType.manifests.contains(type) { return descriptor.digest }
        guard MediaType.indexes.contains(type) else {
            offered.append(type)
            return nil
        }
        guard depth < Self.maximumDepth else { throw ImageError(.unsupportedFormat, "\(what) nests its indexes too deep") }
        let nested = try OCI.read(
            OCI.Index.self, read(descriptor, "a nested index"), what: "index \(descriptor.digest) of \(what)")
        // One that says its platform before one that does not, whose configuration may turn out to be for another.
        for inner in nested.manifests.filter({ $0.platform != nil }) + nested.manifests.filter({ $0.platform == nil }) {
            if let digest = try choose(inner, depth: depth + 1, &offered) { return digest }
        }
        return nil
    }
}
