import CArchive
import Glibc
import LinuxShims

/// A layer's directory being filled. Finds the parent of each member without ever leaving the directory, whatever symbolic links the layer
/// brings.
final class LayerTree {
    /// The layer's root, opened.
    let root: Descriptor
    let what: String
    /// Members of one directory come together: the last parent found is kept open.
    private var recent: (path: MemberPath, directory: OpenDirectory)?

    /// A directory of the tree, open.
    final class OpenDirectory {
        let descriptor: Descriptor
        var number: Int32 { descriptor.number }
        init(owning number: Int32) { descriptor = Descriptor(owning: number) }
    }

    /// Links followed on the way to one member, as in the kernel (MAXSYMLINKS).
    private static let maximumLinks = 40

    init(path: String, what: String) throws(ImageError) {
        self.what = what
        root = try Descriptor(path: path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, doing: "unpacking \(what)")
    }

    /// The directory that holds `member`, made with mode 755 where the layer left it out.
    /// - Parameter making: false to fail with `notFound` instead.
    func parent(of member: MemberPath, making: Bool = true) throws(ImageError) -> OpenDirectory {
        let path = member.parent
        if let recent, recent.path == path { return recent.directory }
        let opened = path.isRoot ? -1 : beneath(path)
        let directory = opened >= 0 ? OpenDirectory(owning: opened) : try walk(path, for: member, making: making)
        recent = (path, directory)
        return directory
    }

    /// To be called when something that may have been on the way to the recent parent was replaced.
    func forget() { recent = nil }

    /// The directory at `path` when it is there without going through any link; nil otherwise.
    func directory(_ path: MemberPath) -> OpenDirectory? {
        if path.isRoot { return duplicateRoot() }
        let opened = beneath(path, resolve: UInt64(SK_RESOLVE_NO_SYMLINKS))
        return opened >= 0 ? OpenDirectory(owning: opened) : nil
    }

    private func duplicateRoot() -> OpenDirectory? {
        let copy = fcntl(root.number, F_DUPFD_CLOEXEC, 0)
        return copy >= 0 ? OpenDirectory(owning: copy) : nil
    }

    /// Most parents: no link on the way leads out, and the kernel watches that none does.
    private func beneath(_ path: MemberPath, resolve: UInt64 = 0) -> Int32 {
        retrying {
            sk_openat2(
                root.number, path.bytes.terminated, UInt64(SK_O_PATH) | UInt64(O_DIRECTORY | O_CLOEXEC), 0,
                UInt64(SK_RESOLVE_BENEATH | SK_RESOLVE_NO_MAGICLINKS | SK_RESOLVE_NO_XDEV) | resolve)
        }
    }

    /// The rest, one component at a time: directories to be made, and links to absolute paths, which mean the layer's root.
    private func walk(_ path: MemberPath, for member: MemberPath, making: Bool) throws(ImageError) -> OpenDirectory {
        guard let start = duplicateRoot() else { throw .system("unpacking \(what)", "dup") }
        var stack = [start]
        var rest = Array(path.bytes.split(separator: UInt8(ascii: "/")).reversed())
        var links = 0
        /// How many of the last of `rest` come from a link: nothing is made where one leads.
        var linked = 0
        while let component = rest.popLast() {
            let isLinked = linked > 0
            linked = max(0, linked - 1)
            if component.elementsEqual(Self.dot) { continue }
            if component.elementsEqual(Self.dotDot) {
                guard stack.count > 1 else { throw refuse(member, "leads out of the layer through a symbolic link") }
                stack.removeLast()
                continue
            }
            let name = component.terminated
            let here = stack[stack.count - 1].number
            switch try kind(here, name, member) {
            case .directory: stack.append(try open(here, name, member))
            case .link(let target):
                links += 1
                guard links <= Self.maximumLinks else { throw refuse(member, "goes through too many symbolic links") }
                if target.first == UInt8(ascii: "/") { stack.removeLast(stack.count - 1) }
                let parts = target.split(separator: UInt8(ascii: "/"))
                rest.append(contentsOf: parts.reversed())
                linked += parts.count
            case .whiteout where making && !isLinked:
                guard unlinkat(here, name, 0) == 0 else { throw .system("unpacking \(what)", "unlink") }
                stack.append(try make(here, name, member, opaque: true))
            case .nothing where making && !isLinked: stack.append(try make(here, name, member, opaque: false))
            case .nothing, .whiteout:
                if isLinked { throw refuse(member, "goes through a symbolic link that leads nowhere in this layer") }
                throw ImageError(
                    .notFound, "\(what): member ‘\(member.text)’: there is no directory ‘\(path.text)’ in this layer")
            case .other: throw refuse(member, "lies below something that is no directory")
            }
        }
        return stack[stack.count - 1]
    }

    private enum Kind {
        case directory, whiteout, nothing, other
        case link(target: [UInt8])
    }

    private func kind(_ directory: Int32, _ name: [CChar], _ member: MemberPath) throws(ImageError) -> Kind {
        var found = stat()
        guard fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return .nothing }
            throw .system("unpacking \(what): member ‘\(member.text)’", "stat")
        }
        switch found.st_mode & S_IFMT {
        case S_IFDIR: return .directory
        case S_IFCHR where found.st_rdev == 0: return .whiteout
        case S_IFLNK:
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlinkat(directory, name, &target, target.count)
            guard count >= 0 else { throw .system("unpacking \(what): member ‘\(member.text)’", "readlink") }
            return .link(target: target[..<count].map { UInt8(bitPattern: $0) })
        default: return .other
        }
    }

    private func open(_ directory: Int32, _ name: [CChar], _ member: MemberPath) throws(ImageError) -> OpenDirectory {
        let opened = retrying { openat(directory, name, Int32(SK_O_PATH) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard opened >= 0 else { throw .system("unpacking \(what): member ‘\(member.text)’", "open") }
        return OpenDirectory(owning: opened)
    }

    private func make(_ directory: Int32, _ name: [CChar], _ member: MemberPath, opaque: Bool) throws(ImageError) -> OpenDirectory
    {
        guard mkdirat(directory, name, 0o755) == 0, fchmodat(directory, name, 0o755, 0) == 0 else {
            throw .system("unpacking \(what): member ‘\(member.text)’", "mkdir")
        }
        let made = try open(directory, name, member)
        if opaque { try markOpaque(made, member) }
        return made
    }

    /// Hides what lower layers hold in a directory (overlayfs).
    func markOpaque(_ directory: OpenDirectory, _ member: MemberPath) throws(ImageError) {
        // An O_PATH descriptor takes no fsetxattr; its /proc name does.
        guard setxattr("/proc/self/fd/\(directory.number)", "trusted.overlay.opaque", "y", 1, 0) == 0 else {
            throw .system("unpacking \(what): member ‘\(member.text)’", "setxattr trusted.overlay.opaque")
        }
    }

    private func refuse(_ member: MemberPath, _ why: String) -> ImageError {
        ImageError(.unsafeMember, "\(what): member ‘\(member.text)’ \(why)")
    }

    private static let dot = [UInt8(ascii: ".")]
    private static let dotDot = [UInt8(ascii: "."), UInt8(ascii: ".")]
}
