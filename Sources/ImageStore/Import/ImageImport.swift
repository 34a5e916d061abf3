import CArchive
import Glibc
import LinuxShims

/// Reads one import's source into a staging area and finds the images in it. Nothing is named or added to the store by this.
struct ImageImport {
    struct Image: Sendable {
        let image: LoadedImage
        /// References it is to get, in normal form.
        let names: [String]
    }

    let staging: Staging
    let layers: LayerStore
    let limits: ImageLimits
    let path: String
    /// Reference that replaces what the source says.
    let name: String?
    let configuration: ImageConfiguration?

    private var what: String { "‘\(path)’" }

    func run() throws(ImageError) -> [Image] {
        var found = stat()
        guard stat(path, &found) == 0 else { throw .system("importing \(what)", "stat") }
        switch found.st_mode & S_IFMT {
        case S_IFDIR: return try directory()
        case S_IFREG: return try archive()
        default: throw ImageError(.unsupportedFormat, "\(what) is neither a file nor a directory")
        }
    }

    // MARK: The kinds

    private func directory() throws(ImageError) -> [Image] {
        guard Files.exists(path + "/index.json") else {
            throw ImageError(
                .unsupportedFormat,
                "\(what) is a directory without index.json, so no OCI layout; pack a root file system with tar first")
        }
        let index = try Files.read(path + "/index.json", limit: limits.documentBytes, doing: "reading index.json of \(what)")
        return try layout(index)
    }

    private func archive() throws(ImageError) -> [Image] {
        let members = try ArchiveMembers(path: path, staging: staging, limits: limits, what: what)
        switch members.kind {
        case .layout(let index): return try layout(index)
        case .docker(let manifest): return try docker(manifest, members)
        case .tree: return try tree()
        }
    }

    private func layout(_ bytes: [UInt8]) throws(ImageError) -> [Image] {
        try refuseConfiguration("an OCI layout")
        let index = LayoutIndex(limits: limits, what: what) { descriptor, kind throws(ImageError) in
            try fetch(descriptor.digest, size: descriptor.size)
            return try staging.read(descriptor.digest, limit: limits.documentBytes, what: kind)
        }
        let found = try index.images(bytes)
        var images: [Image] = []
        for (digest, group) in Dictionary(grouping: found, by: \.digest).sorted(by: { $0.key < $1.key }) {
            let image = try LoadedImage(digest, limits: limits) { digest, kind throws(ImageError) in
                try fetch(digest, size: nil)
                return try staging.read(digest, limit: limits.documentBytes, what: kind)
            }
            for layer in image.manifest.layers { try fetch(layer.digest, size: layer.size) }
            images.append(Image(image: image, names: try names(group.compactMap(\.name))))
        }
        return try onlyOne(images)
    }

    private func docker(_ bytes: [UInt8], _ members: ArchiveMembers) throws(ImageError) -> [Image] {
        try refuseConfiguration("a docker save archive")
        let saved = try OCI.read([OCI.DockerArchiveImage].self, bytes, what: "manifest.json of \(what)")
        guard !saved.isEmpty else { throw ImageError(.unsupportedFormat, "\(what) is a docker save archive without an image") }
        var images: [Image] = []
        for image in saved {
            let configuration = try dockerBlob(image.Config, members)
            let stated = image.Config.split(separator: "/").last.map { $0.hasSuffix(".json") ? $0.dropLast(5) : $0 }
            if let stated, let expected = Digest(hex: stated) ?? Digest(stated), expected != configuration.digest {
                throw ImageError(
                    .digestMismatch,
                    "configuration ‘\(image.Config)’ of \(what) has digest \(configuration.digest); copy the archive again")
            }
            var layers: [OCI.Descriptor] = []
            for path in image.Layers {
                let blob = try dockerBlob(path, members)
                guard let file = staging.path(blob.digest) else { continue }
                let type = MediaType.layer(try Compression(ofFile: file, what: "‘\(path)’ of \(what)"))
                layers.append(OCI.Descriptor(mediaType: type, digest: blob.digest, size: blob.size))
            }
            let digest = try addManifest(configuration, layers)
            images.append(Image(image: try load(digest), names: try names(image.RepoTags ?? [])))
        }
        return try onlyOne(images)
    }

    private func dockerBlob(_ path: String, _ members: ArchiveMembers) throws(ImageError) -> Staging.Blob {
        guard let blob = members.blob(path) else {
            throw ImageError(.truncated, "\(what) names ‘\(path)’ but does not hold it; it is incomplete: copy it again")
        }
        return blob
    }

    private func tree() throws(ImageError) -> [Image] {
        guard let name else {
            throw ImageError(.invalidReference, "\(what) is a root file system and says no name for its image; give one")
        }
        let reference = try ImageReference(name)
        let configuration = configuration ?? ImageConfiguration()
        let blob = try staging.add(try FileSource(path: path, what: what), what: what)
        guard let file = staging.path(blob.digest) else { return [] }
        let diffID = try layers.adopt(blob: file, what: what)
        let document = configuration.document(
            layers: [diffID],
            history: [OCI.Configuration.History(created_by: "sidekick image import", comment: "root file system")])
        let staged = try staging.add(try OCI.write(document, what: "the configuration"), what: "the configuration")
        let compression = try Compression(ofFile: file, what: what)
        let layer = OCI.Descriptor(mediaType: MediaType.layer(compression), digest: blob.digest, size: blob.size)
        let digest = try addManifest(staged, [layer])
        return [Image(image: try load(digest), names: [try nameable(reference)])]
    }

    // MARK: Parts

    private func addManifest(_ configuration: Staging.Blob, _ layers: [OCI.Descriptor]) throws(ImageError) -> Digest {
        let manifest = OCI.Manifest(
            schemaVersion: 2, mediaType: MediaType.manifest,
            config: OCI.Descriptor(mediaType: MediaType.configuration, digest: configuration.digest, size: configuration.size),
            layers: layers)
        return try staging.add(try OCI.write(manifest, what: "the manifest"), what: "the manifest").digest
    }

    private func load(_ digest: Digest) throws(ImageError) -> LoadedImage {
        try LoadedImage(digest, limits: limits) { digest, kind throws(ImageError) in
            try staging.read(digest, limit: limits.documentBytes, what: kind)
        }
    }

    /// Makes sure that a blob of the layout is staged or stored.
    private func fetch(_ digest: Digest, size: Int64?) throws(ImageError) {
        let label = "blob \(digest) of \(what)"
        if let known = staging.size(digest) {
            guard size == nil || size == known else {
                throw ImageError(.digestMismatch, "\(label) has \(known) bytes, its descriptor says \(size ?? 0)")
            }
            return
        }
        let file = path + "/blobs/sha256/" + digest.hex
        guard Files.exists(file) else {
            throw ImageError(.truncated, "\(label) is missing; the layout is incomplete: copy it again")
        }
        _ = try staging.add(try FileSource(path: file, what: label), expected: digest, size: size, what: label)
    }

    private func refuseConfiguration(_ kind: String) throws(ImageError) {
        guard let configuration, configuration != ImageConfiguration() else { return }
        throw ImageError(
            .unsupportedFormat,
            "\(what) is \(kind), which says itself what to run; import it without a command and an environment")
    }

    private func names(_ stated: [String]) throws(ImageError) -> [String] {
        if let name { return [try nameable(try ImageReference(name))] }
        var names: Set<String> = []
        // A bare tag is all that some tools write; it is no name.
        for text in stated where text.contains(":") || text.contains("/") { names.insert(try nameable(try ImageReference(text))) }
        guard !names.isEmpty else {
            throw ImageError(
                .invalidReference,
                "\(what) says no name for its image" + (stated.first.map { ", only the tag ‘\($0)’" } ?? "") + "; give one")
        }
        return names.sorted()
    }

    private func nameable(_ reference: ImageReference) throws(ImageError) -> String {
        guard reference.name != nil, reference.digest == nil else {
            throw ImageError(.invalidReference, "‘\(reference)’ cannot be given as a name: write NAME[:TAG] without a digest")
        }
        return reference.description
    }

    private func onlyOne(_ images: [Image]) throws(ImageError) -> [Image] {
        if let name, images.count > 1 {
            throw ImageError(
                .invalidReference,
                "\(what) holds \(images.count) images, which cannot all be called ‘\(name)’; leave the name out")
        }
        return images
    }
}
