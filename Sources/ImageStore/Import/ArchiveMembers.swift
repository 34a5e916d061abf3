import CArchive

/// One pass over an archive that may be an image: stages its blobs, keeps its documents, and stops as soon as it sees a member that no
/// image archive has.
struct ArchiveMembers {
    enum Kind {
        case layout(index: [UInt8])
        case docker(manifest: [UInt8])
        /// Anything else: the tree of a root file system.
        case tree
    }

    private(set) var kind = Kind.tree
    /// Members staged as blobs, by path.
    private(set) var staged: [String: Staging.Blob] = [:]
    private var links: [String: String] = [:]
    private var documents: [String: [UInt8]] = [:]

    init(path: String, staging: Staging, limits: ImageLimits, what: String) throws(ImageError) {
        let bytes = try DecompressedSource.open(path, what: what)
        let reader = try ArchiveReader(bytes, format: .tar, compression: .none, what: what)
        var isEmpty = true
        while try reader.advance() {
            guard let entry = reader.entry else { break }
            isEmpty = false
            // A root file system's own errors are found when it is unpacked.
            guard let member = try? Member(entry, limits: limits, what: what) else { return }
            guard try take(member, reader, staging, limits, what) else { return }
        }
        if isEmpty { throw ImageError(.unsupportedFormat, "\(what) is empty: it holds neither an image nor a root file system") }
        if let index = documents["index.json"] {
            kind = .layout(index: index)
        } else if let manifest = documents["manifest.json"], manifest.first(where: { $0 > 0x20 }) == UInt8(ascii: "[") {
            kind = .docker(manifest: manifest)
        } else if staged.keys.contains(where: { $0.hasPrefix("blobs/") || $0.hasSuffix("/layer.tar") }) {
            throw ImageError(
                .truncated, "\(what) has the blobs of an image but neither index.json nor manifest.json; copy it again")
        }
    }

    /// Takes one member; false when no image archive has such a one.
    private mutating func take(
        _ member: Member, _ reader: ArchiveReader, _ staging: Staging, _ limits: ImageLimits, _ what: String
    ) throws(ImageError) -> Bool {
        let path = member.path.text
        switch (member.kind, Self.shape(path)) {
        case (_, .foreign), (.fifo, _), (.device, _), (.unsupported, _): return false
        case (.directory, let shape): return shape == .directory
        case (.symbolicLink(let target), .content):
            let text = String(decoding: target.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            links[path] = Self.resolve(text, from: path)
        case (.hardLink(let target), .content):
            links[path] = Self.resolve("/" + String(decoding: target, as: UTF8.self), from: path)
        case (.file, .document):
            guard member.size <= limits.documentBytes else { return false }
            documents[path] = try Self.bytes(reader, limit: limits.documentBytes, "\(path) of \(what)")
        case (.file, .blob(let digest)):
            staged[path] = try staging.add(MemberSource(reader), expected: digest, what: "blob \(digest) of \(what)")
        case (.file, .content): staged[path] = try staging.add(MemberSource(reader), what: "‘\(path)’ of \(what)")
        case (.file, .ignored): break
        case (.file, .directory), (.symbolicLink, _), (.hardLink, _): return false
        }
        return true
    }

    private enum Shape: Equatable { case directory, document, content, ignored, foreign, blob(Digest) }

    /// What a path can be in an image archive.
    private static func shape(_ path: String) -> Shape {
        let parts = path.split(separator: "/")
        switch parts.count {
        case 0: return .directory
        case 1:
            let name = parts[0]
            if ["index.json", "manifest.json", "oci-layout"].contains(name) { return .document }
            if name == "repositories" { return .ignored }
            if name == "blobs" || Digest(hex: name) != nil { return .directory }
            let suffixes = [".json", ".tar", ".tar.gz", ".tgz", ".tar.zst"]
            return name.hasPrefix("sha256:") || suffixes.contains(where: name.hasSuffix) ? .content : .foreign
        case 2 where parts[0] == "blobs": return parts[1] == "sha256" ? .directory : .foreign
        case 2 where Digest(hex: parts[0]) != nil:
            if parts[1] == "layer.tar" { return .content }
            return parts[1] == "VERSION" || parts[1] == "json" ? .ignored : .foreign
        case 3 where parts[0] == "blobs" && parts[1] == "sha256": return Digest(hex: parts[2]).map(Shape.blob) ?? .foreign
        default: return .foreign
        }
    }

    /// The path within the archive that a link at `path` means.
    private static func resolve(_ target: String, from path: String) -> String {
        var parts = target.hasPrefix("/") ? [] : path.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    private static func bytes(_ reader: ArchiveReader, limit: Int, _ what: String) throws(ImageError) -> [UInt8] {
        var all: [UInt8] = []
        let source = MemberSource(reader)
        while let block = try source.next() {
            guard all.count + block.count <= limit else { throw ImageError(.tooLarge, "\(what) is larger than \(limit) bytes") }
            all.append(contentsOf: block)
        }
        return all
    }

    /// The blob that the archive has at `path`, links followed.
    func blob(_ path: String) -> Staging.Blob? {
        var path = Self.resolve("/" + path, from: "")
        for _ in 0..<8 {
            if let blob = staged[path] { return blob }
            guard let next = links[path] else { return nil }
            path = next
        }
        return nil
    }
}

/// The data of the member that a reader stands at.
private final class MemberSource: ByteSource {
    private let reader: ArchiveReader
    private var position: Int64 = 0
    private let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    private var pending: (bytes: UnsafeRawBufferPointer, offset: Int64)?

    init(_ reader: ArchiveReader) {
        self.reader = reader
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { zeros.deallocate() }

    func next() throws(ImageError) -> UnsafeRawBufferPointer? {
        while true {
            if pending == nil { pending = try reader.block() }
            guard let (bytes, offset) = pending else { return nil }
            // A sparse member's holes read as zeros.
            if offset > position {
                let count = min(Int64(zeros.count), offset - position)
                position += count
                return UnsafeRawBufferPointer(rebasing: zeros[..<Int(count)])
            }
            pending = nil
            position += Int64(bytes.count)
            if !bytes.isEmpty { return bytes }
        }
    }
}
