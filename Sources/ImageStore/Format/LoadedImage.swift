/// A manifest with its configuration, read and found to fit together.
struct LoadedImage: Sendable {
    let digest: Digest
    let manifest: OCI.Manifest
    let configuration: OCI.Configuration

    /// - Parameter read: gives a document's bytes, verified; its second argument says what it is, for errors.
    init(
        _ digest: Digest, limits: ImageLimits, read: (Digest, String) throws(ImageError) -> [UInt8]
    ) throws(ImageError) {
        let what = "image \(digest)"
        self.digest = digest
        manifest = try OCI.read(OCI.Manifest.self, read(digest, "the manifest"), what: "the manifest of \(what)")
        guard manifest.mediaType.map(MediaType.manifests.contains) ?? true, manifest.schemaVersion == 2 else {
            throw ImageError(
                .unsupportedFormat,
                "\(what) has a manifest of type ‘\(manifest.mediaType ?? "schema \(manifest.schemaVersion)")’, which is not supported"
            )
        }
        guard manifest.config.mediaType.map(MediaType.configurations.contains) ?? false else {
            throw ImageError(
                .unsupportedFormat,
                "\(what) is no container image: its configuration is of type ‘\(manifest.config.mediaType ?? "none")’")
        }
        for layer in manifest.layers where !(layer.mediaType.map(MediaType.layers.contains) ?? false) {
            throw ImageError(
                .unsupportedFormat,
                "layer \(layer.digest) of \(what) is of type ‘\(layer.mediaType ?? "none")’, which is not supported")
        }
        configuration = try OCI.read(
            OCI.Configuration.self, read(manifest.config.digest, "the configuration"), what: "the configuration of \(what)")
        guard manifest.layers.count == configuration.rootfs.diff_ids.count else {
            throw ImageError(
                .corrupt,
                "\(what) has \(manifest.layers.count) layers, its configuration names \(configuration.rootfs.diff_ids.count)")
        }
        guard !manifest.layers.isEmpty else {
            throw ImageError(.unsupportedFormat, "\(what) has no layer: there is nothing to run")
        }
        guard manifest.layers.count <= limits.layers else {
            throw ImageError(.tooLarge, "\(what) has \(manifest.layers.count) layers, \(limits.layers) are allowed")
        }
        let platform = OCI.Platform(architecture: configuration.architecture, os: configuration.os, variant: nil)
        guard OCI.Platform.host.runs(platform) else {
            throw ImageError(.unsupportedFormat, "\(what) is for \(platform.text), this host is \(OCI.Platform.host.text)")
        }
    }

    /// Every blob of the image: manifest, configuration, layers.
    var blobs: [Digest] { [digest, manifest.config.digest] + manifest.layers.map(\.digest) }

    /// A layer as stored, and what it must be unpacked.
    struct Layer: Hashable, Sendable {
        let blob: Digest
        let diffID: Digest
    }

    /// Bottom first.
    var layers: [Layer] {
        zip(manifest.layers, configuration.rootfs.diff_ids).map { Layer(blob: $0.digest, diffID: $1) }
    }

    func stored(names: [String]) -> StoredImage {
        StoredImage(
            digest: digest.description, names: names, size: manifest.layers.reduce(manifest.config.size) { $0 + $1.size },
            layers: manifest.layers.map(\.digest.description), configuration: ImageConfiguration(configuration))
    }
}
