import Crypto
import Glibc

/// A stream of bytes pulled in blocks. One consumer, on one thread.
protocol ByteSource: AnyObject {
    /// The next block, nil at the end. Valid until the next call.
    func next() throws(ImageError) -> UnsafeRawBufferPointer?
}

/// Reads a file from its start.
final class FileSource: ByteSource {
    private let file: Descriptor
    private let buffer: UnsafeMutableRawBufferPointer
    private let what: String

    /// - Parameter what: what is read, for errors.
    init(path: String, what: String) throws(ImageError) {
        self.what = what
        file = try Descriptor(path: path, O_RDONLY, doing: "reading \(what)")
        posix_fadvise(file.number, 0, 0, POSIX_FADV_SEQUENTIAL)
        buffer = .allocate(byteCount: 1 << 20, alignment: 4096)
    }

    deinit { buffer.deallocate() }

    func next() throws(ImageError) -> UnsafeRawBufferPointer? {
        let count = retrying { read(file.number, buffer.baseAddress, buffer.count) }
        guard count >= 0 else { throw .system("reading \(what)", "read") }
        return count == 0 ? nil : UnsafeRawBufferPointer(rebasing: buffer[..<count])
    }
}

/// Passes a stream on and hashes and counts what went through.
final class HashedSource: ByteSource {
    private let source: any ByteSource
    private var hash = SHA256()
    private(set) var count: Int64 = 0
    /// How many zeros came last.
    private(set) var trailingZeros: Int64 = 0
    /// Bytes beyond which reading fails.
    private let limit: Int64
    private let what: String

    init(_ source: any ByteSource, limit: Int64 = .max, what: String) {
        self.source = source
        self.limit = limit
        self.what = what
    }

    func next() throws(ImageError) -> UnsafeRawBufferPointer? {
        guard let block = try source.next() else { return nil }
        count += Int64(block.count)
        guard count <= limit else {
            throw ImageError(.tooLarge, "\(what) holds more than the \(limit) bytes allowed")
        }
        hash.update(bufferPointer: block)
        let zeros = block.reversed().prefix { $0 == 0 }.count
        trailingZeros = zeros == block.count ? trailingZeros + Int64(zeros) : Int64(zeros)
        return block
    }

    /// Reads what is left and gives the digest of the whole stream.
    func finish() throws(ImageError) -> Digest {
        while try next() != nil {}
        return Digest(hash.finalize())
    }
}
