import Crypto
import Glibc

/// Takes a stream of bytes in blocks. One producer, on one thread.
protocol ByteSink: AnyObject {
    func write(_ block: UnsafeRawBufferPointer) throws(ImageError)
    /// Writes what is held back; nothing may follow.
    func finish() throws(ImageError)
}

/// Writes a new file.
final class FileSink: ByteSink {
    private let file: Descriptor
    private let doing: String

    init(path: String, doing: String) throws(ImageError) {
        file = try Descriptor(path: path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600, doing: doing)
        self.doing = doing
    }

    func write(_ block: UnsafeRawBufferPointer) throws(ImageError) { try file.write(block, doing: doing) }

    func finish() throws(ImageError) { try file.synchronize(doing: doing) }
}

/// Passes a stream on and hashes and counts what went through.
final class HashedSink: ByteSink {
    private let sink: any ByteSink
    private var hash = SHA256()
    private(set) var count: Int64 = 0
    /// Of all that was written; nil before the end.
    private(set) var digest: Digest?

    init(_ sink: any ByteSink) { self.sink = sink }

    func write(_ block: UnsafeRawBufferPointer) throws(ImageError) {
        hash.update(bufferPointer: block)
        count += Int64(block.count)
        try sink.write(block)
    }

    func finish() throws(ImageError) {
        try sink.finish()
        digest = Digest(hash.finalize())
    }
}

/// Compresses what is written to it.
final class CompressedSink: ByteSink {
    private let writer: ArchiveWriter

    init(_ sink: any ByteSink, _ compression: Compression, what: String) throws(ImageError) {
        writer = try ArchiveWriter(sink, format: .raw, compression: compression, what: what)
        let entry = ArchiveEntry()
        entry.set(path: Array("data".utf8), kind: S_IFREG, mode: 0o644)
        try writer.begin(entry)
    }

    func write(_ block: UnsafeRawBufferPointer) throws(ImageError) { try writer.write(block) }

    func finish() throws(ImageError) { try writer.finish() }
}
