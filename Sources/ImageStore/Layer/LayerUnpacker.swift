/// Unpacks one layer blob into a directory in a single pass: inflate, hash, write.
enum LayerUnpacker {
    /// - Parameters:
    ///   - blob: path of the layer as stored: a tar, plain, gzip or zstd.
    ///   - directory: empty, filled by this.
    ///   - what: the layer, for errors.
    /// - Returns: the digest of the uncompressed tar, which the image's configuration calls the layer's diff id.
    static func unpack(blob: String, into directory: String, limits: ImageLimits, what: String) throws(ImageError) -> Digest {
        let bytes = HashedSource(try DecompressedSource.openAhead(blob, what: what), limit: limits.layerBytes, what: what)
        let reader = try ArchiveReader(bytes, format: .tar, compression: .none, what: what)
        try LayerWriter(path: directory, limits: limits, what: what).write(reader)
        return try bytes.finish()
    }
}
