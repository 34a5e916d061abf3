import CArchive
import Glibc
import LinuxShims

/// What an archive says about one member, beside its path and data.
struct Member {
    enum Kind {
        case file, directory, fifo
        case symbolicLink(target: [CChar])
        case hardLink(target: [UInt8])
        case device(mode: mode_t, number: dev_t)
        case unsupported(mode: mode_t)
    }

    struct Attribute {
        var name: String
        var value: [UInt8]
    }

    let path: MemberPath
    let kind: Kind
    /// Permission bits, with set-id and sticky.
    let mode: mode_t
    let owner: uid_t
    let group: gid_t
    let modified: timespec
    let size: Int64
    let attributes: [Attribute]

    init(_ entry: OpaquePointer, limits: ImageLimits, what: String) throws(ImageError) {
        guard let name = archive_entry_pathname(entry) else {
            throw ImageError(.corrupt, "\(what): a member has a name that cannot be read")
        }
        path = try MemberPath(Self.bytes(name), limits: limits, what: what)
        mode = archive_entry_perm(entry) & 0o7777
        owner = uid_t(truncatingIfNeeded: archive_entry_uid(entry))
        group = gid_t(truncatingIfNeeded: archive_entry_gid(entry))
        modified = timespec(tv_sec: archive_entry_mtime(entry), tv_nsec: Int(archive_entry_mtime_nsec(entry)))
        size = archive_entry_size(entry)
        kind = try Self.kind(entry, path, limits, what)
        attributes = try Self.attributes(entry, path, limits, what)
    }

    private static func bytes(_ text: UnsafePointer<CChar>) -> UnsafeBufferPointer<UInt8> {
        UnsafeRawBufferPointer(start: text, count: strlen(text)).assumingMemoryBound(to: UInt8.self)
    }

    private static func kind(
        _ entry: OpaquePointer, _ path: MemberPath, _ limits: ImageLimits, _ what: String
    ) throws(ImageError) -> Kind {
        if let target = archive_entry_hardlink(entry) { return .hardLink(target: Array(bytes(target))) }
        let type = archive_entry_filetype(entry)
        switch type {
        case S_IFREG: return .file
        case S_IFDIR: return .directory
        case S_IFIFO: return .fifo
        case S_IFCHR, S_IFBLK: return .device(mode: type, number: archive_entry_rdev(entry))
        case S_IFLNK:
            guard let target = archive_entry_symlink(entry).map({ Array(bytes($0)) }), !target.isEmpty else {
                throw ImageError(.corrupt, "\(what): member ‘\(path.text)’ is a symbolic link to nothing")
            }
            guard target.count <= limits.pathBytes else {
                throw ImageError(.tooLarge, "\(what): member ‘\(path.text)’ has a link target of \(target.count) bytes")
            }
            return .symbolicLink(target: target.terminated)
        default: return .unsupported(mode: type)
        }
    }

    /// Extended attributes, without those by which overlayfs itself steers: an image must not.
    private static func attributes(
        _ entry: OpaquePointer, _ path: MemberPath, _ limits: ImageLimits, _ what: String
    ) throws(ImageError) -> [Attribute] {
        guard archive_entry_xattr_reset(entry) > 0 else { return [] }
        var found: [Attribute] = []
        var total = 0
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var count = 0
        while archive_entry_xattr_next(entry, &name, &value, &count) == ARCHIVE_OK {
            guard let name else { continue }
            total += count
            guard total <= limits.attributeBytes else {
                throw ImageError(
                    .tooLarge, "\(what): member ‘\(path.text)’ has more than \(limits.attributeBytes) bytes of attributes")
            }
            let text = String(cString: name)
            if text.hasPrefix("trusted.overlay.") || text.hasPrefix("user.overlay.") { continue }
            found.append(Attribute(name: text, value: Array(UnsafeRawBufferPointer(start: value, count: count))))
        }
        return found
    }
}
