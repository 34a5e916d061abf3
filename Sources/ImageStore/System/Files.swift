import CArchive
import Glibc
import LinuxShims

/// Whole-file helpers of the store.
enum Files {
    /// Reads a file of at most `limit` bytes.
    static func read(_ path: String, limit: Int, doing: @autoclosure () -> String) throws(ImageError) -> [UInt8] {
        let file = try Descriptor(path: path, O_RDONLY, doing: doing())
        let size = Int(try file.status(doing: doing()).st_size)
        guard size <= limit else {
            throw ImageError(.tooLarge, "\(doing()): \(path) has \(size) bytes, more than the \(limit) allowed here")
        }
        var bytes = [UInt8](repeating: 0, count: size)
        var filled = 0
        while filled < size {
            let count = bytes.withUnsafeMutableBytes { buffer in
                retrying { Glibc.read(file.number, buffer.baseAddress.map { $0 + filled }, size - filled) }
            }
            guard count >= 0 else { throw .system(doing(), "read \(path)") }
            if count == 0 { break }
            filled += count
        }
        bytes.removeLast(size - filled)
        return bytes
    }

    /// Replaces `directory/name` by a file with `bytes` so that readers, and a machine that loses power, see the old content or the new one.
    static func replace(_ name: String, in directory: String, with bytes: [UInt8], doing: @autoclosure () -> String)
        throws(ImageError)
    {
        let temporary = "\(directory)/.\(name).new"
        do throws(ImageError) {
            let file = try Descriptor(path: temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600, doing: doing())
            try file.write(bytes, doing: doing())
            try file.synchronize(doing: doing())
        } catch {
            unlink(temporary)
            throw error
        }
        try move(temporary, to: "\(directory)/\(name)", doing: doing())
        try synchronizeDirectory(directory, doing: doing())
    }

    static func move(_ source: String, to target: String, doing: @autoclosure () -> String) throws(ImageError) {
        guard rename(source, target) == 0 else { throw .system(doing(), "rename \(source) to \(target)") }
    }

    static func synchronizeDirectory(_ path: String, doing: @autoclosure () -> String) throws(ImageError) {
        try Descriptor(path: path, O_RDONLY | O_DIRECTORY, doing: doing()).synchronize(doing: doing())
    }

    static func makeDirectory(_ path: String, mode: mode_t = 0o700, doing: @autoclosure () -> String) throws(ImageError) {
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw .system(doing(), "mkdir \(path)") }
    }

    static func exists(_ path: String) -> Bool {
        var found = stat()
        return lstat(path, &found) == 0
    }

    /// Size in bytes of the regular file at `path`; nil when there is none.
    static func size(_ path: String) -> Int64? {
        var found = stat()
        guard lstat(path, &found) == 0, found.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int64(found.st_size)
    }

    /// Names in a directory, sorted, without `.` and `..`.
    static func names(in path: String, doing: @autoclosure () -> String) throws(ImageError) -> [String] {
        guard let directory = opendir(path) else { throw .system(doing(), "opendir \(path)") }
        defer { closedir(directory) }
        return entries(of: directory).map { String(decoding: $0.name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) }
            .sorted()
    }

    /// Removes `path` and everything below it, following no link. What is not there is no error.
    static func removeTree(_ path: String, doing: @autoclosure () -> String) throws(ImageError) {
        let name = path.utf8CString.map { $0 }
        guard remove(at: AT_FDCWD, name) else { throw .system(doing(), "remove \(path)") }
    }

    /// Levels removed by recursion, each of which holds a descriptor: what lies deeper is moved up first, however deep it was nested.
    private static let recursionLimit = 32

    /// Removes `name` (with its terminating zero) in `directory` and everything below it; false with errno when that failed.
    static func remove(at directory: Int32, _ name: [CChar]) -> Bool {
        guard let (stream, opened) = openUnlessRemoved(directory, name) else { return errno == 0 }
        defer { closedir(stream) }
        var moved = 0
        while true {
            rewinddir(stream)
            for entry in entries(of: stream) where !removeBelow(opened, entry.name, top: opened, depth: 1, &moved) {
                return false
            }
            if unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT { return true }
            // What was moved up meanwhile is next.
            guard errno == ENOTEMPTY else { return false }
        }
    }

    private static func removeBelow(_ directory: Int32, _ name: [CChar], top: Int32, depth: Int, _ moved: inout Int) -> Bool {
        guard let (stream, opened) = openUnlessRemoved(directory, name) else { return errno == 0 }
        defer { closedir(stream) }
        for entry in entries(of: stream) {
            if depth < recursionLimit {
                guard removeBelow(opened, entry.name, top: top, depth: depth + 1, &moved) else { return false }
            } else if unlinkat(opened, entry.name, 0) != 0 {
                moved += 1
                guard renameat(opened, entry.name, top, ".removing-\(moved)") == 0 else { return false }
            }
        }
        return unlinkat(directory, name, AT_REMOVEDIR) == 0
    }

    /// Removes what is no directory, and opens what is one; nil with errno 0 when it is removed, with another when that failed.
    private static func openUnlessRemoved(_ directory: Int32, _ name: [CChar]) -> (OpaquePointer, Int32)? {
        if unlinkat(directory, name, 0) == 0 || errno == ENOENT {
            errno = 0
            return nil
        }
        guard errno == EISDIR || errno == EPERM else { return nil }
        let opened = retrying { openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard opened >= 0 else { return nil }
        guard let stream = fdopendir(opened) else {
            close(opened)
            return nil
        }
        return (stream, opened)
    }

    /// Names in an open directory, with their terminating zeros, sorted bytewise; nil with errno when it cannot be read.
    static func names(at directory: Int32) -> [[CChar]]? {
        let opened = retrying { openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard opened >= 0 else { return nil }
        guard let stream = fdopendir(opened) else {
            close(opened)
            return nil
        }
        defer { closedir(stream) }
        return entries(of: stream).map(\.name).sorted { left, right in
            left.lexicographicallyPrecedes(right) { UInt8(bitPattern: $0) < UInt8(bitPattern: $1) }
        }
    }

    private static func entries(of directory: OpaquePointer) -> [(name: [CChar], kind: UInt8)] {
        var found: [(name: [CChar], kind: UInt8)] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                let start = UnsafeRawPointer(tuple).assumingMemoryBound(to: CChar.self)
                return [CChar](UnsafeBufferPointer(start: start, count: strlen(start) + 1))
            }
            if name != [46, 0] && name != [46, 46, 0] { found.append((name, entry.pointee.d_type)) }
        }
        return found
    }
}
