import CArchive
import Glibc
import LinuxShims

/// Packs the upper directory of an overlay mount as a layer: what was added and changed as it is, what was taken away as whiteouts. Members
/// are sorted: equal trees make equal layers, byte by byte.
final class LayerPacker {
    private let writer: ArchiveWriter
    private let limits: ImageLimits
    private let what: String
    /// First path of each file with several names.
    private var linked: [FileIdentity: [UInt8]] = [:]
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)

    private struct FileIdentity: Hashable {
        var device: dev_t
        var inode: ino_t
    }

    /// - Parameter what: the directory, for errors.
    init(_ writer: ArchiveWriter, limits: ImageLimits, what: String) {
        self.limits = limits
        self.writer = writer
        self.what = what
    }

    deinit { buffer.deallocate() }

    /// Packs the directory at `path` whole and finishes the archive.
    func pack(_ path: String) throws(ImageError) {
        let root = try Descriptor(path: path, O_RDONLY | O_DIRECTORY, doing: "packing \(what)")
        let entry = ArchiveEntry()
        let found = try root.status(doing: "packing \(what)")
        describe(entry, [UInt8(ascii: "."), UInt8(ascii: "/")], found)
        try addAttributes(entry, root.number, [])
        try writer.begin(entry)
        try addOpaqueMarker(root.number, [])
        try packDirectory(root.number, [], depth: 1)
        try writer.finish()
    }

    private func failed(_ path: [UInt8], _ call: String) -> ImageError {
        .system("packing \(what): ‘\(String(decoding: path, as: UTF8.self))’", call)
    }

    private func packDirectory(_ directory: Int32, _ prefix: [UInt8], depth: Int) throws(ImageError) {
        guard depth <= limits.depth else {
            throw ImageError(.tooLarge, "packing \(what): there are more than \(limits.depth) directories, one within the other")
        }
        guard let names = Files.names(at: directory) else { throw failed(prefix, "read the directory") }
        for name in names {
            let bytes = name.dropLast().map { UInt8(bitPattern: $0) }
            guard !bytes.starts(with: Self.whiteoutPrefix) else {
                throw ImageError(
                    .unsafeMember,
                    "packing \(what): ‘\(String(decoding: prefix + bytes, as: UTF8.self))’ cannot be in a layer: there, a name with ‘.wh.’ takes"
                        + " a file away; rename it")
            }
            try packMember(directory, name, prefix, bytes, depth)
        }
    }

    private func packMember(
        _ directory: Int32, _ name: [CChar], _ prefix: [UInt8], _ bytes: [UInt8], _ depth: Int
    ) throws(ImageError) {
        let path = prefix + bytes
        var found = stat()
        guard fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 else { throw failed(path, "stat") }
        let kind = found.st_mode & S_IFMT
        switch kind {
        case S_IFSOCK: return  // No archive holds one; whoever made it makes it again.
        case S_IFCHR where found.st_rdev == 0:
            let entry = ArchiveEntry()
            entry.set(path: prefix + Self.whiteoutPrefix + bytes, kind: S_IFREG, mode: 0)
            try writer.begin(entry)
            return
        default: break
        }
        let entry = ArchiveEntry()
        describe(entry, kind == S_IFDIR ? path + [UInt8(ascii: "/")] : path, found)
        if kind != S_IFDIR, found.st_nlink > 1 {
            let identity = FileIdentity(device: found.st_dev, inode: found.st_ino)
            if let first = linked[identity] {
                archive_entry_copy_hardlink(entry.entry, first.terminated)
                archive_entry_set_size(entry.entry, 0)
                try writer.begin(entry)
                return
            }
            linked[identity] = path
        }
        switch kind {
        case S_IFREG: try packFile(entry, directory, name, path, found)
        case S_IFDIR:
            let inner = try Descriptor(
                at: directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                doing: "packing \(what): ‘\(String(decoding: path, as: UTF8.self))’")
            try addAttributes(entry, inner.number, path)
            try writer.begin(entry)
            try addOpaqueMarker(inner.number, path + [UInt8(ascii: "/")])
            try packDirectory(inner.number, path + [UInt8(ascii: "/")], depth: depth + 1)
        case S_IFLNK:
            var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
            guard readlinkat(directory, name, &target, target.count - 1) >= 0 else { throw failed(path, "readlink") }
            archive_entry_copy_symlink(entry.entry, target)
            try writer.begin(entry)
        default: try writer.begin(entry)
        }
    }

    private func describe(_ entry: ArchiveEntry, _ path: [UInt8], _ found: stat) {
        entry.set(
            path: path, kind: found.st_mode & S_IFMT, mode: found.st_mode & 0o7777,
            size: found.st_mode & S_IFMT == S_IFREG ? Int64(found.st_size) : 0)
        archive_entry_set_uid(entry.entry, la_int64_t(found.st_uid))
        archive_entry_set_gid(entry.entry, la_int64_t(found.st_gid))
        archive_entry_set_mtime(entry.entry, found.st_mtim.tv_sec, found.st_mtim.tv_nsec)
        if [S_IFCHR, S_IFBLK].contains(found.st_mode & S_IFMT) { archive_entry_set_rdev(entry.entry, found.st_rdev) }
    }

    // MARK: Data

    private func packFile(
        _ entry: ArchiveEntry, _ directory: Int32, _ name: [CChar], _ path: [UInt8], _ found: stat
    ) throws(ImageError) {
        let file = try Descriptor(
            at: directory, name, O_RDONLY | O_NOFOLLOW, doing: "packing \(what): ‘\(String(decoding: path, as: UTF8.self))’")
        try addAttributes(entry, file.number, path)
        let size = Int64(found.st_size)
        let whole: [(start: Int64, end: Int64)] = [(0, size)]
        let pieces = Int64(found.st_blocks) * 512 < size ? data(file.number, size) : whole
        if pieces.count != 1 || pieces[0] != (0, size) {
            for piece in pieces { archive_entry_sparse_add_entry(entry.entry, piece.start, piece.end - piece.start) }
            if pieces.isEmpty { archive_entry_sparse_add_entry(entry.entry, size, 0) }
        }
        try writer.begin(entry)
        // Of a sparse file libarchive takes the holes too, and leaves them out.
        var position: Int64 = 0
        while position < size {
            let wanted = Int(min(Int64(buffer.count), size - position))
            let count = retrying { pread(file.number, buffer.baseAddress, wanted, off_t(position)) }
            guard count >= 0 else { throw failed(path, "read") }
            guard count > 0 else {
                throw ImageError(
                    .inputOutput,
                    "packing \(what): ‘\(String(decoding: path, as: UTF8.self))’ became shorter meanwhile; stop or freeze what writes to it"
                )
            }
            try writer.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += Int64(count)
        }
    }

    /// The parts of a file that are no holes.
    private func data(_ file: Int32, _ size: Int64) -> [(start: Int64, end: Int64)] {
        var pieces: [(start: Int64, end: Int64)] = []
        var position: off_t = 0
        while position < size {
            let start = lseek(file, position, Self.seekData)
            guard start >= 0 else { break }
            let end = lseek(file, start, Self.seekHole)
            guard end > start else { break }
            pieces.append((Int64(start), Int64(end)))
            position = end
        }
        return pieces
    }

    // MARK: Attributes

    private func addAttributes(_ entry: ArchiveEntry, _ file: Int32, _ path: [UInt8]) throws(ImageError) {
        let size = flistxattr(file, nil, 0)
        if size < 0 && errno == ENOTSUP { return }
        guard size >= 0 else { throw failed(path, "listxattr") }
        guard size > 0 else { return }
        var list = [CChar](repeating: 0, count: size)
        let count = flistxattr(file, &list, size)
        guard count >= 0 else { throw failed(path, "listxattr") }
        for name in list[..<count].split(separator: 0).map({ Array($0) + [0] }) {
            let text = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if text.hasPrefix("trusted.overlay.") || text.hasPrefix("user.overlay.") {
                guard !text.hasSuffix(".redirect"), !text.hasSuffix(".metacopy") else {
                    throw ImageError(
                        .unsupportedFormat,
                        "packing \(what): ‘\(String(decoding: path, as: UTF8.self))’ was renamed in an overlay mounted with redirect_dir or"
                            + " metacopy; its content is not in this directory")
                }
                continue
            }
            let length = fgetxattr(file, name, nil, 0)
            guard length >= 0 else { throw failed(path, "getxattr \(text)") }
            var value = [UInt8](repeating: 0, count: max(length, 1))
            guard fgetxattr(file, name, &value, length) == length else { throw failed(path, "getxattr \(text)") }
            archive_entry_xattr_add_entry(entry.entry, name, value, length)
        }
    }

    private func addOpaqueMarker(_ directory: Int32, _ prefix: [UInt8]) throws(ImageError) {
        var value: UInt8 = 0
        var isOpaque = false
        for name in ["trusted.overlay.opaque", "user.overlay.opaque"] {
            if fgetxattr(directory, name, &value, 1) == 1 && value == UInt8(ascii: "y") { isOpaque = true }
        }
        guard isOpaque else { return }
        let entry = ArchiveEntry()
        entry.set(path: prefix + Array(".wh..wh..opq".utf8), kind: S_IFREG, mode: 0)
        try writer.begin(entry)
    }

    private static let whiteoutPrefix = Array(".wh.".utf8)
    /// SEEK_DATA and SEEK_HOLE of linux/fs.h, macros Swift does not see.
    private static let seekData: Int32 = 3
    private static let seekHole: Int32 = 4
}
