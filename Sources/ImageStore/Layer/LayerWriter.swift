import CArchive
import Glibc
import LinuxShims

/// Writes the members of one layer below a directory: files, links, devices, owners, modes, times, attributes, and whiteouts in
/// overlayfs's form. Runs as root.
final class LayerWriter {
    private let tree: LayerTree
    private let limits: ImageLimits
    private let what: String
    private var members = 0
    /// Of all files, holes included.
    private var fileBytes: Int64 = 0
    /// Times of directories, set last: each member written into one changes it.
    private var directoryTimes: [MemberPath: timespec] = [:]

    /// - Parameters:
    ///   - path: an empty directory.
    ///   - what: the layer, for errors.
    init(path: String, limits: ImageLimits, what: String) throws(ImageError) {
        tree = try LayerTree(path: path, what: what)
        self.limits = limits
        self.what = what
    }

    /// Writes every member that `reader` gives.
    func write(_ reader: ArchiveReader) throws(ImageError) {
        while try reader.advance() {
            guard let entry = reader.entry else { break }
            let member = try Member(entry, limits: limits, what: what)
            members += 1
            guard members <= limits.members else {
                throw ImageError(.tooLarge, "\(what) has more than the \(limits.members) members allowed")
            }
            if member.path.isRoot {
                try finishRoot(member)
            } else if member.path.name.starts(with: Self.whiteoutPrefix) {
                try whiteout(member)
            } else {
                try place(member, reader)
            }
        }
        try setDirectoryTimes()
    }

    private func failed(_ member: Member, _ call: String) -> ImageError {
        .system("unpacking \(what): member ‘\(member.path.text)’", call)
    }

    private func refuse(_ member: Member, _ why: String) -> ImageError {
        ImageError(.unsafeMember, "\(what): member ‘\(member.path.text)’ \(why)")
    }

    // MARK: Members

    private func place(_ member: Member, _ reader: ArchiveReader) throws(ImageError) {
        let parent = try tree.parent(of: member.path)
        let directory = parent.number
        let name = member.path.name.terminated
        switch member.kind {
        case .file: try writeFile(member, directory, name, reader)
        case .directory: try makeDirectory(member, parent, name)
        case .symbolicLink(let target):
            try making(member, directory, name, "symlink") { symlinkat(target, directory, name) }
            try finish(member, directory, name, hasMode: false)
        case .hardLink(let target): try link(member, to: target, parent, name)
        case .fifo:
            try making(member, directory, name, "mkfifo") { mkfifoat(directory, name, 0o600) }
            try finish(member, directory, name, hasMode: true)
        case .device(let type, let number):
            try making(member, directory, name, "mknod") { mknodat(directory, name, type | 0o600, number) }
            try finish(member, directory, name, hasMode: true)
        case .unsupported(let type):
            throw ImageError(
                .unsupportedFormat,
                "\(what): member ‘\(member.path.text)’ is of a kind that cannot be unpacked (0\(String(type, radix: 8)))")
        }
    }

    /// Runs `make`, first removing what an earlier member of the same name left.
    private func making(
        _ member: Member, _ directory: Int32, _ name: [CChar], _ call: String, _ make: () -> Int32
    ) throws(ImageError) {
        if make() == 0 { return }
        guard errno == EEXIST else { throw failed(member, call) }
        try removeEarlier(member, directory, name)
        guard make() == 0 else { throw failed(member, call) }
    }

    private func removeEarlier(_ member: Member, _ directory: Int32, _ name: [CChar]) throws(ImageError) {
        tree.forget()
        guard Files.remove(at: directory, name) else { throw failed(member, "remove the earlier member of this name") }
    }

    private func writeFile(_ member: Member, _ directory: Int32, _ name: [CChar], _ reader: ArchiveReader) throws(ImageError) {
        fileBytes += member.size
        guard member.size >= 0, fileBytes <= limits.layerBytes else {
            throw ImageError(
                .tooLarge,
                "\(what): with member ‘\(member.path.text)’ its files have more than the \(limits.layerBytes) bytes allowed")
        }
        var opened: Int32 = -1
        try making(member, directory, name, "create") {
            opened = retrying { openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
            return opened >= 0 ? 0 : -1
        }
        let file = Descriptor(owning: opened)
        var end: Int64 = 0
        while let (bytes, offset) = try reader.block() {
            var rest = bytes[...]
            var position = offset
            while !rest.isEmpty {
                let count = retrying {
                    pwrite(file.number, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, off_t(position))
                }
                guard count > 0 else { throw failed(member, "write") }
                rest = rest.dropFirst(count)
                position += Int64(count)
            }
            end = max(end, position)
        }
        // A sparse file may end in a hole.
        if end < member.size, ftruncate(file.number, off_t(member.size)) != 0 { throw failed(member, "truncate") }
        guard fchown(file.number, member.owner, member.group) == 0 else { throw failed(member, "chown") }
        guard fchmod(file.number, member.mode) == 0 else { throw failed(member, "chmod") }
        // After chown, which takes capabilities away.
        for attribute in member.attributes {
            let result = attribute.value.withUnsafeBytes { fsetxattr(file.number, attribute.name, $0.baseAddress, $0.count, 0) }
            try check(result, attribute, member)
        }
        var times = [timespec(tv_sec: 0, tv_nsec: Self.leaveTime), member.modified]
        guard futimens(file.number, &times) == 0 else { throw failed(member, "set the time") }
    }

    private func makeDirectory(_ member: Member, _ parent: LayerTree.OpenDirectory, _ name: [CChar]) throws(ImageError) {
        let directory = parent.number
        if mkdirat(directory, name, 0o700) != 0 {
            guard errno == EEXIST else { throw failed(member, "mkdir") }
            var found = stat()
            guard fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 else { throw failed(member, "stat") }
            if found.st_mode & S_IFMT != S_IFDIR {
                let wasWhiteout = found.st_mode & S_IFMT == S_IFCHR && found.st_rdev == 0
                try removeEarlier(member, directory, name)
                guard mkdirat(directory, name, 0o700) == 0 else { throw failed(member, "mkdir") }
                if wasWhiteout { try tree.markOpaque(openDirectory(member, directory, name), member.path) }
            }
        }
        try finish(member, directory, name, hasMode: true)
        directoryTimes[member.path] = member.modified
    }

    private func openDirectory(_ member: Member, _ directory: Int32, _ name: [CChar]) throws(ImageError)
        -> LayerTree.OpenDirectory
    {
        let opened = retrying { openat(directory, name, Int32(SK_O_PATH) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard opened >= 0 else { throw failed(member, "open") }
        return LayerTree.OpenDirectory(owning: opened)
    }

    private func link(
        _ member: Member, to raw: [UInt8], _ parent: LayerTree.OpenDirectory, _ name: [CChar]
    ) throws(ImageError) {
        let target: MemberPath
        do {
            target = try MemberPath(raw, limits: limits, what: what)
        } catch {
            throw refuse(member, "is a hard link to ‘\(String(decoding: raw, as: UTF8.self))’, outside of the layer")
        }
        guard !target.isRoot, target != member.path else { throw refuse(member, "is a hard link to itself or to the root") }
        let source: LayerTree.OpenDirectory
        do {
            source = try tree.parent(of: target, making: false)
        } catch  where error.code == .notFound {
            throw refuse(member, "is a hard link to ‘\(target.text)’, which is not in this layer")
        }
        let old = target.name.terminated
        do {
            try making(member, parent.number, name, "link") { linkat(source.number, old, parent.number, name, 0) }
        } catch  where error.code == .notFound {
            throw refuse(member, "is a hard link to ‘\(target.text)’, which is not in this layer")
        }
    }

    // MARK: Whiteouts

    private func whiteout(_ member: Member) throws(ImageError) {
        let parent = try tree.parent(of: member.path)
        let name = member.path.name
        if name.elementsEqual(Self.opaqueMarker) {
            try tree.markOpaque(parent, member.path)
            return
        }
        // The rest of that prefix is AUFS's own bookkeeping (image-spec, layer.md).
        if name.starts(with: Self.whiteoutPrefix + Self.whiteoutPrefix) { return }
        let hidden = name.dropFirst(Self.whiteoutPrefix.count)
        guard !hidden.isEmpty, !hidden.elementsEqual([0x2e]), !hidden.elementsEqual([0x2e, 0x2e]) else {
            throw refuse(member, "is a whiteout of no name")
        }
        if mknodat(parent.number, hidden.terminated, S_IFCHR | 0o600, 0) == 0 { return }
        guard errno == EEXIST else { throw failed(member, "mknod") }
        // A whiteout hides lower layers only; what this layer holds stays, and as a directory shows nothing of them.
        if let directory = try? openDirectory(member, parent.number, hidden.terminated) {
            try tree.markOpaque(directory, member.path)
        }
    }

    // MARK: What members have beside data

    /// Owner, mode, attributes and time of a member that is no regular file.
    private func finish(_ member: Member, _ directory: Int32, _ name: [CChar], hasMode: Bool) throws(ImageError) {
        guard fchownat(directory, name, member.owner, member.group, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw failed(member, "chown")
        }
        if hasMode, fchmodat(directory, name, member.mode, 0) != 0 { throw failed(member, "chmod") }
        if !member.attributes.isEmpty {
            let path = (Array("/proc/self/fd/\(directory)/".utf8) + member.path.name).terminated
            for attribute in member.attributes {
                let result = attribute.value.withUnsafeBytes { lsetxattr(path, attribute.name, $0.baseAddress, $0.count, 0) }
                try check(result, attribute, member)
            }
        }
        var times = [timespec(tv_sec: 0, tv_nsec: Self.leaveTime), member.modified]
        guard utimensat(directory, name, &times, AT_SYMLINK_NOFOLLOW) == 0 else { throw failed(member, "set the time") }
    }

    private func check(_ result: Int32, _ attribute: Member.Attribute, _ member: Member) throws(ImageError) {
        if result == 0 { return }
        // Not every file system keeps users' attributes (tmpfs), and no program may count on them; capabilities are another matter.
        if errno == ENOTSUP && attribute.name.hasPrefix("user.") { return }
        throw failed(member, "setxattr \(attribute.name)")
    }

    private func finishRoot(_ member: Member) throws(ImageError) {
        guard case .directory = member.kind else { throw refuse(member, "takes the place of the layer's root") }
        guard fchown(tree.root.number, member.owner, member.group) == 0 else { throw failed(member, "chown") }
        guard fchmod(tree.root.number, member.mode) == 0 else { throw failed(member, "chmod") }
        directoryTimes[member.path] = member.modified
    }

    private func setDirectoryTimes() throws(ImageError) {
        // Setting one changes no other, so the order is free. A directory that a later member replaced is skipped.
        for (path, modified) in directoryTimes {
            guard let directory = tree.directory(path) else { continue }
            var times = [timespec(tv_sec: 0, tv_nsec: Self.leaveTime), modified]
            guard utimensat(AT_FDCWD, "/proc/self/fd/\(directory.number)", &times, 0) == 0 else {
                throw .system("unpacking \(what): directory ‘\(path.text)’", "set the time")
            }
        }
    }

    private static let whiteoutPrefix = Array(".wh.".utf8)
    private static let opaqueMarker = Array(".wh..wh..opq".utf8)
    /// UTIME_OMIT of linux/stat.h, a macro Swift does not see: leaves the time as it is.
    private static let leaveTime = 0x3fff_fffe
}
