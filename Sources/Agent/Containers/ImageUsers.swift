import ContainerCore
import Glibc
import ImageStore
import LinuxShims

/// Finds who an image's program runs as. The image is not trusted: its files are opened below its layers without following links.
enum ImageUsers {
    struct Found: Hashable, Sendable {
        var user: ContainerUser
        /// Home directory, when the image's passwd names one.
        var home: String?
    }

    /// - Parameter user: `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    /// - Parameter layers: topmost first.
    static func find(_ user: String, layers: [String]) throws(AgentError) -> Found {
        let parts = user.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts.first.flatMap { $0.isEmpty ? nil : $0 } ?? "0"
        let passwd = rows(try read("passwd", layers: layers), fields: 7)
        let row = passwd.first { $0[0] == name } ?? passwd.first { $0[2] == name }
        guard let uid = UInt32(name) ?? row.flatMap({ UInt32($0[2]) }) else {
            throw AgentError(.invalidConfiguration, "the image's user ‘\(name)’ is not in its /etc/passwd; give it as a number")
        }
        var found = Found(user: ContainerUser(uid: uid, gid: row.flatMap { UInt32($0[3]) } ?? 0), home: row?[5])
        if parts.count == 1 || parts[1].isEmpty {
            guard let login = row?[0] else { return found }
            let groups = rows(try read("group", layers: layers), fields: 4)
            found.user.additionalGroups = groups.filter { $0[3].split(separator: ",").contains(Substring(login)) }
                .compactMap { UInt32($0[2]) }.filter { $0 != found.user.gid }
        } else if let gid = UInt32(parts[1]) {
            found.user.gid = gid
        } else {
            let groups = rows(try read("group", layers: layers), fields: 4)
            guard let gid = groups.first(where: { $0[0] == parts[1] }).flatMap({ UInt32($0[2]) }) else {
                throw AgentError(
                    .invalidConfiguration, "the image's group ‘\(parts[1])’ is not in its /etc/group; give it as a number")
            }
            found.user.gid = gid
        }
        return found
    }

    private static func rows(_ text: String, fields: Int) -> [[String]] {
        text.split(separator: "\n").map { $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init) }
            .filter { $0.count == fields }
    }

    /// The text of `/etc/NAME` as the layers together show it; empty when there is none.
    private static func read(_ name: String, layers: [String]) throws(AgentError) -> String {
        for layer in layers {
            let root = open(layer, Int32(SK_O_PATH) | O_DIRECTORY | O_CLOEXEC)
            guard root >= 0 else {
                throw AgentError(.inputOutput, "failed to open the layer \(layer)", cause: String(cString: strerror(errno)))
            }
            defer { close(root) }
            let etc = openat(root, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard etc >= 0 else {
                if errno == ENOENT { continue }
                // A whiteout, or no directory: whatever lies below is hidden.
                return ""
            }
            defer { close(etc) }
            let file = openat(etc, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else {
                if errno == ENOENT, !isOpaque(etc) { continue }
                return ""
            }
            defer { close(file) }
            return try contents(file, "/etc/\(name)")
        }
        return ""
    }

    /// Whether the directory hides what lower layers have in it.
    private static func isOpaque(_ directory: Int32) -> Bool {
        var value: UInt8 = 0
        return fgetxattr(directory, "trusted.overlay.opaque", &value, 1) == 1 && value == UInt8(ascii: "y")
    }

    private static func contents(_ descriptor: Int32, _ path: String) throws(AgentError) -> String {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return "" }
        guard status.st_size <= 1 << 20 else {
            throw AgentError(.invalidConfiguration, "the image's \(path) has \(status.st_size) bytes, more than 1 MiB")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else {
            throw AgentError(.inputOutput, "failed to read the image's \(path)", cause: String(cString: strerror(errno)))
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
