import CArchive
import Glibc

/// Reads one archive or compressed stream through libarchive, pulling its bytes from a `ByteSource`.
final class ArchiveReader {
    enum Format { case tar, raw }

    private let archive: OpaquePointer
    private let feed: Feed
    private let what: String
    private(set) var entry: OpaquePointer?

    /// What libarchive's read callback works on.
    private final class Feed {
        let source: any ByteSource
        /// Why the source failed; libarchive only knows that it did.
        var failure: ImageError?

        init(_ source: any ByteSource) { self.source = source }
    }

    /// - Parameter what: what is read, for errors.
    init(_ source: any ByteSource, format: Format, compression: Compression, what: String) throws(ImageError) {
        guard let archive = archive_read_new() else { throw ImageError(.inputOutput, "reading \(what): no memory") }
        self.archive = archive
        self.what = what
        feed = Feed(source)
        switch format {
        case .tar: archive_read_support_format_tar(archive)
        case .raw:
            archive_read_support_format_raw(archive)
            archive_read_support_format_empty(archive)
        }
        switch compression {
        case .none: break
        case .gzip: archive_read_support_filter_gzip(archive)
        case .zstd: archive_read_support_filter_zstd(archive)
        }
        // The feed lives as long as this object, which frees the archive first.
        let opened = archive_read_open(
            archive, Unmanaged.passUnretained(feed).toOpaque(), nil,
            { _, context, block in
                guard let context, let block else { return -1 }
                let feed = Unmanaged<Feed>.fromOpaque(context).takeUnretainedValue()
                do throws(ImageError) {
                    guard let next = try feed.source.next() else { return 0 }
                    block.pointee = next.baseAddress
                    return next.count
                } catch {
                    feed.failure = error
                    return -1
                }
            }, nil)
        guard opened == ARCHIVE_OK else { throw failure() }
    }

    deinit { archive_read_free(archive) }

    /// Moves to the next member; false at the end.
    func advance() throws(ImageError) -> Bool {
        let result = archive_read_next_header(archive, &entry)
        switch result {
        case ARCHIVE_OK, ARCHIVE_WARN: return true
        case ARCHIVE_EOF: return false
        default: throw failure()
        }
    }

    /// The next piece of the member's data and where in the file it belongs; nil at its end. Valid until the next call.
    func block() throws(ImageError) -> (bytes: UnsafeRawBufferPointer, offset: Int64)? {
        var start: UnsafeRawPointer?
        var count = 0
        var offset: la_int64_t = 0
        switch archive_read_data_block(archive, &start, &count, &offset) {
        case ARCHIVE_OK, ARCHIVE_WARN: return (UnsafeRawBufferPointer(start: start, count: count), offset)
        case ARCHIVE_EOF: return nil
        default: throw failure()
        }
    }

    private func failure() -> ImageError {
        if let failure = feed.failure { return failure }
        let text = archive_error_string(archive).map { String(cString: $0) } ?? "unknown error"
        let lower = text.lowercased()
        if lower.contains("truncated") || lower.contains("unexpected end") {
            return ImageError(.truncated, "\(what) ends too early; copy it again", cause: text)
        }
        if lower.contains("unrecognized archive format") {
            return ImageError(.unsupportedFormat, "\(what) is no tar archive, plain or compressed with gzip or zstd")
        }
        return ImageError(.corrupt, "\(what) cannot be read", cause: text)
    }
}

/// A compressed stream, decompressed.
final class DecompressedSource: ByteSource {
    private let reader: ArchiveReader
    private var started = false
    private let what: String

    init(_ source: any ByteSource, _ compression: Compression, what: String) throws(ImageError) {
        self.what = what
        reader = try ArchiveReader(source, format: .raw, compression: compression, what: what)
    }

    func next() throws(ImageError) -> UnsafeRawBufferPointer? {
        if !started {
            started = true
            guard try reader.advance() else { return nil }
        }
        while let (bytes, _) = try reader.block() {
            if !bytes.isEmpty { return bytes }
        }
        return nil
    }

    /// The bytes of the file at `path`, decompressed as its first bytes say.
    static func open(_ path: String, what: String) throws(ImageError) -> any ByteSource {
        let compression = try Compression(ofFile: path, what: what)
        return try open(path, compression, what: what)
    }

    /// The same, inflated on a thread of its own.
    static func openAhead(_ path: String, what: String) throws(ImageError) -> any ByteSource {
        let compression = try Compression(ofFile: path, what: what)
        if compression != .none {
            let ahead = PipelinedSource { () throws(ImageError) in try open(path, compression, what: what) }
            if let ahead { return ahead }
        }
        return try open(path, compression, what: what)
    }

    private static func open(_ path: String, _ compression: Compression, what: String) throws(ImageError) -> any ByteSource {
        let source = try FileSource(path: path, what: what)
        return compression == .none ? source : try DecompressedSource(source, compression, what: what)
    }
}

extension Compression {
    /// What the file at `path` is compressed with.
    init(ofFile path: String, what: String) throws(ImageError) {
        let file = try Descriptor(path: path, O_RDONLY, doing: "reading \(what)")
        var prefix = [UInt8](repeating: 0, count: Self.prefixLength)
        let count = prefix.withUnsafeMutableBytes { buffer in retrying { read(file.number, buffer.baseAddress, buffer.count) } }
        guard count >= 0 else { throw .system("reading \(what)", "read") }
        self.init(prefix: prefix.prefix(count))
    }
}
