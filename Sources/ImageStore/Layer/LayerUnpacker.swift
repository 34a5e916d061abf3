/// Unpacks one layer blob into a directory in a single pass: inflate, hash, write.
enum LayerUnpacker {
    /// - Parameters:
    ///   - blob: path of the layer as stored: a tar, plain, gzip or zstd.
    ///   - directory: empty, filled by this.
    ///   - mustEnd: whether a tar without the zeros at its end is taken for truncated. Where the digest is known that tells enough, and
    ///     not every tool writes them.
    ///   - what: the layer, for errors.
    /// - Returns: the digest of the uncompressed tar, which the image's configuration calls the layer's diff id.
    static func unpack(
        blob: String, into directory: String, mustEnd: Bool, limits: ImageLimits, what: String
    ) throws(ImageError) -> Digest {
        let bytes = HashedSource(try DecompressedSource.openAhead(blob, what: what), limit: limits.layerBytes, what: what)
        let reader = try ArchiveReader(bytes, format: .tar, compression: .none, what: what)
        try LayerWriter(path: directory, limits: limits, what: what).write(reader)
        let digest = try bytes.finish()
        guard !mustEnd || bytes.trailingZeros >= 1024 else {
            throw ImageError(.truncated, "\(what) ends without the mark of a tar archive's end; copy it again")
        }
        return digest
    }

    /// The digest of a layer's uncompressed tar.
    static func digest(blob: String, limits: ImageLimits, what: String) throws(ImageError) -> Digest {
        try HashedSource(try DecompressedSource.openAhead(blob, what: what), limit: limits.layerBytes, what: what).finish()
    }
}
