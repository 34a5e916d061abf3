import Glibc

/// One open log file, read from a place onwards. Blocks on the disk.
final class LogFile {
    private let descriptor: Int32
    private var offset: off_t = 0
    let inode: UInt64

    /// nil when there is no such file.
    init?(path: String) throws(AgentError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw Self.failure("failed to open the log \(path)") }
            return nil
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            close(descriptor)
            throw Self.failure("failed to look at the log \(path)")
        }
        inode = UInt64(status.st_ino)
    }

    deinit { close(descriptor) }

    static func inode(path: String) -> UInt64? {
        var status = stat()
        return lstat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    /// The next bytes; empty at the end of what is there now.
    func read(_ count: Int) throws(AgentError) -> [UInt8] {
        let bytes = try read(count, at: offset)
        offset += off_t(bytes.count)
        return bytes
    }

    /// Goes to where the last `lines` lines begin, and tells how many there are of them.
    func seek(lines: Int) throws(AgentError) -> Int {
        let piece: off_t = 64 << 10
        var end = lseek(descriptor, 0, SEEK_END)
        var found = 0
        offset = lines > 0 ? 0 : end
        // The newline that ends the last line begins no further one.
        var isLast = true
        while end > 0 && found < lines {
            let start = max(0, end - piece)
            let bytes = try read(Int(end - start), at: start)
            for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "\n") {
                if isLast {
                    isLast = false
                    continue
                }
                found += 1
                if found == lines {
                    offset = start + off_t(index) + 1
                    return found
                }
            }
            end = start
        }
        return isLast ? 0 : found + 1
    }

    private func read(_ count: Int, at offset: off_t) throws(AgentError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = pread(descriptor, &bytes, count, offset)
        guard got >= 0 else { throw Self.failure("failed to read a log") }
        bytes.removeLast(count - got)
        return bytes
    }

    private static func failure(_ message: String) -> AgentError {
        AgentError(.inputOutput, message, cause: String(cString: strerror(errno)))
    }
}
