import Glibc
import Synchronization

/// Blobs of one import, verified and not part of the store yet. They go into the store together once the import is found good, or vanish
/// with this.
final class Staging: Sendable {
    struct Blob: Sendable {
        let digest: Digest
        let size: Int64
    }

    private let layout: StoreLayout
    private let directory: String
    private let limits: ImageLimits
    private let staged = Mutex<[Digest: Blob]>([:])

    init(_ layout: StoreLayout, _ workshop: Workshop, _ limits: ImageLimits) throws(ImageError) {
        self.layout = layout
        self.limits = limits
        directory = workshop.fresh("import")
        try Files.makeDirectory(directory, doing: "importing an image")
    }

    /// Removes what was not taken over. What cannot be removed now, the next opening of the store removes.
    func discard() { try? Files.removeTree(directory, doing: "removing what an import left") }

    /// Stores a stream under the digest it turns out to have.
    /// - Parameter expected: what it must be, if that was said beforehand.
    func add(_ source: any ByteSource, expected: Digest? = nil, size: Int64? = nil, what: String) throws(ImageError) -> Blob {
        let temporary = directory + "/incoming"
        let before = staged.withLock { $0.values.reduce(0) { $0 + $1.size } }
        let hashed = HashedSource(source, limit: limits.importBytes - before, what: what)
        let digest: Digest
        do throws(ImageError) {
            let file = try Descriptor(path: temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600, doing: "storing \(what)")
            while let block = try hashed.next() { try file.write(block, doing: "storing \(what)") }
            digest = try hashed.finish()
            try Self.check(digest, hashed.count, expected, size, what)
        } catch {
            unlink(temporary)
            throw error
        }
        try Files.move(temporary, to: directory + "/" + digest.hex, doing: "storing \(what)")
        let blob = Blob(digest: digest, size: hashed.count)
        staged.withLock { $0[digest] = blob }
        return blob
    }

    /// Stores what `fill` writes and finishes.
    func add(what: String, _ fill: (any ByteSink) throws(ImageError) -> Void) throws(ImageError) -> Blob {
        let temporary = directory + "/incoming"
        do throws(ImageError) {
            let sink = HashedSink(try FileSink(path: temporary, doing: "storing \(what)"))
            try fill(sink)
            guard let digest = sink.digest else { throw ImageError(.inputOutput, "storing \(what): it was not finished") }
            try Files.move(temporary, to: directory + "/" + digest.hex, doing: "storing \(what)")
            let blob = Blob(digest: digest, size: sink.count)
            staged.withLock { $0[digest] = blob }
            return blob
        } catch {
            unlink(temporary)
            throw error
        }
    }

    func add(_ bytes: [UInt8], what: String) throws(ImageError) -> Blob {
        let blob = Blob(digest: Digest(of: bytes), size: Int64(bytes.count))
        let file = try Descriptor(
            path: directory + "/" + blob.digest.hex, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600, doing: "storing \(what)")
        try file.write(bytes, doing: "storing \(what)")
        staged.withLock { $0[blob.digest] = blob }
        return blob
    }

    private static func check(
        _ digest: Digest, _ count: Int64, _ expected: Digest?, _ size: Int64?, _ what: String
    ) throws(ImageError) {
        if let size, count != size {
            throw ImageError(
                count < size ? .truncated : .digestMismatch,
                "\(what) has \(count) bytes, its descriptor says \(size); copy it again")
        }
        if let expected, digest != expected {
            throw ImageError(
                .digestMismatch, "\(what) has digest \(digest), not \(expected); it is damaged or was changed: copy it again")
        }
    }

    private func holds(_ digest: Digest) -> Bool { staged.withLock { $0[digest] != nil } }

    /// Where a blob lies now, staged or stored; nil when it is nowhere.
    func path(_ digest: Digest) -> String? {
        if holds(digest) { return directory + "/" + digest.hex }
        let stored = layout.blob(digest)
        return Files.exists(stored) ? stored : nil
    }

    func size(_ digest: Digest) -> Int64? { path(digest).flatMap { Files.size($0) } }

    func read(_ digest: Digest, limit: Int, what: String) throws(ImageError) -> [UInt8] {
        guard let path = path(digest) else {
            throw ImageError(.truncated, "\(what) \(digest) is not in the archive; it is incomplete: copy it again")
        }
        let bytes = try Files.read(path, limit: limit, doing: "reading \(what)")
        guard Digest(of: bytes) == digest else {
            throw ImageError(.corrupt, "\(what) \(digest) is damaged on disk; remove the image and import it again")
        }
        return bytes
    }

    /// Puts the named blobs into the store, durably.
    func commit(_ digests: [Digest]) throws(ImageError) {
        let doing = "storing an image"
        for digest in digests where holds(digest) {
            let source = directory + "/" + digest.hex
            // Anew even when it is there: this one is known to be good.
            try Descriptor(path: source, O_RDONLY, doing: doing).synchronize(doing: doing)
            try Files.move(source, to: layout.blob(digest), doing: doing)
            staged.withLock { $0[digest] = nil }
        }
        try Files.synchronizeDirectory(layout.blobs, doing: doing)
    }
}
