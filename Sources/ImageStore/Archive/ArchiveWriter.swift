import CArchive
import Glibc

/// Writes a pax archive or a compressed stream through libarchive into a `ByteSink`.
final class ArchiveWriter {
    enum Format { case pax, raw }

    private let archive: OpaquePointer
    private let drain: Drain
    private let what: String

    /// What libarchive's write callback works on.
    private final class Drain {
        let sink: any ByteSink
        /// Why the sink failed; libarchive only knows that it did.
        var failure: ImageError?

        init(_ sink: any ByteSink) { self.sink = sink }
    }

    /// - Parameter what: what is written, for errors.
    init(_ sink: any ByteSink, format: Format, compression: Compression = .none, what: String) throws(ImageError) {
        guard let archive = archive_write_new() else { throw ImageError(.inputOutput, "writing \(what): no memory") }
        self.archive = archive
        self.what = what
        drain = Drain(sink)
        switch compression {
        case .none: break
        case .gzip:
            archive_write_add_filter_gzip(archive)
            // Equal content, equal bytes.
            archive_write_set_filter_option(archive, "gzip", "timestamp", nil)
        case .zstd: archive_write_add_filter_zstd(archive)
        }
        switch format {
        case .pax:
            archive_write_set_format_pax(archive)
            archive_write_set_format_option(archive, "pax", "xattrheader", "SCHILY")
        case .raw: archive_write_set_format_raw(archive)
        }
        archive_write_set_bytes_per_block(archive, 1 << 16)
        archive_write_set_bytes_in_last_block(archive, 1)
        // The drain lives as long as this object, which frees the archive first.
        let opened = archive_write_open(
            archive, Unmanaged.passUnretained(drain).toOpaque(), nil,
            { _, context, start, count in
                guard let context, let start else { return -1 }
                let drain = Unmanaged<Drain>.fromOpaque(context).takeUnretainedValue()
                do throws(ImageError) {
                    try drain.sink.write(UnsafeRawBufferPointer(start: start, count: count))
                    return count
                } catch {
                    drain.failure = error
                    return -1
                }
            }, nil)
        guard opened == ARCHIVE_OK else { throw failure() }
    }

    deinit { archive_write_free(archive) }

    func begin(_ entry: ArchiveEntry) throws(ImageError) {
        let result = archive_write_header(archive, entry.entry)
        guard result == ARCHIVE_OK || result == ARCHIVE_WARN else { throw failure() }
    }

    func write(_ block: UnsafeRawBufferPointer) throws(ImageError) {
        var rest = block[...]
        while !rest.isEmpty {
            let count = archive_write_data(archive, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            guard count > 0 else { throw failure() }
            rest = rest.dropFirst(count)
        }
    }

    /// Writes the end and lets the sink finish.
    func finish() throws(ImageError) {
        guard archive_write_close(archive) == ARCHIVE_OK else { throw failure() }
        try drain.sink.finish()
    }

    private func failure() -> ImageError {
        if let failure = drain.failure { return failure }
        let text = archive_error_string(archive).map { String(cString: $0) } ?? "unknown error"
        return ImageError(.inputOutput, "writing \(what)", cause: text)
    }
}

/// One member's header, to be filled.
final class ArchiveEntry {
    let entry: OpaquePointer

    init() {
        guard let entry = archive_entry_new() else { fatalError("no memory for an archive entry") }
        self.entry = entry
    }

    deinit { archive_entry_free(entry) }

    /// - Parameter kind: S_IFREG and the like.
    func set(path: [UInt8], kind: mode_t, mode: mode_t, size: Int64 = 0) {
        archive_entry_copy_pathname(entry, path.terminated)
        archive_entry_set_filetype(entry, UInt32(kind))
        archive_entry_set_perm(entry, mode)
        archive_entry_set_size(entry, size)
    }
}
