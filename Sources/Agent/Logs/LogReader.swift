import NIOPosix

/// Reads a container's log, over its rotated files, as what the container wrote.
package struct LogReader {
    private let path: String
    private var files: [LogFile] = []
    private var text = LogText()

    /// The most read at once.
    private static let piece = 64 << 10
    /// How often a followed log is looked at.
    private static let interval = Duration.milliseconds(100)

    init(path: String) { self.path = path }

    /// The last `tail` lines, and with `follow` what comes after, until the log is gone or the task is cancelled. A piece is read
    /// when the one before is delivered.
    /// - Parameters:
    ///   - stamped: whether each line begins with the time at which it was written, in UTC.
    ///   - ended: says that nothing more will be written; a followed log is then read to its end, and that was all.
    @concurrent package static func read(
        path: String, tail: Int, follow: Bool, stamped: Bool = false, ended: @Sendable () -> Bool = { false },
        deliver: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let box = Box(LogReader(path: path))
        box.reader.text.stamped = stamped
        try await NIOThreadPool.singleton.runIfActive { try box.reader.open(tail: tail) }
        while !Task.isCancelled {
            let isLast = ended()
            let piece = try await NIOThreadPool.singleton.runIfActive { try box.reader.next() }
            if let piece {
                if !piece.isEmpty { try await deliver(piece) }
            } else if follow, !isLast {
                try await Task.sleep(for: interval)
                guard try await NIOThreadPool.singleton.runIfActive({ try box.reader.turn() }) else { return }
            } else {
                return
            }
        }
    }

    /// The last line, at most its first 200 bytes; empty when there is none.
    @concurrent static func lastLine(path: String) async throws -> String {
        let box = Box(LogReader(path: path))
        let bytes = try await NIOThreadPool.singleton.runIfActive {
            try box.reader.open(tail: 1)
            return try box.reader.next() ?? []
        }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }.prefix(200), as: UTF8.self)
    }

    /// Carries the reader from one run on the thread pool to the next.
    /// Sendable: `read` awaits each use before it begins the next, so no two threads are ever in it at once.
    private final class Box: @unchecked Sendable {
        var reader: LogReader
        init(_ reader: LogReader) { self.reader = reader }
    }

    private mutating func open(tail: Int) throws(AgentError) {
        guard let current = try LogFile(path: path) else {
            throw AgentError(.inputOutput, "there is no log \(path) yet")
        }
        files = [current]
        var missing = tail - (try current.seek(lines: tail))
        var number = 1
        while missing > 0, let older = try LogFile(path: "\(path).\(number)") {
            missing -= try older.seek(lines: missing)
            files.insert(older, at: 0)
            number += 1
        }
    }

    /// The next piece, empty when it holds no whole line; nil at the end of what is there now.
    private mutating func next() throws(AgentError) -> [UInt8]? {
        while let file = files.first {
            let bytes = try file.read(Self.piece)
            if !bytes.isEmpty { return text.take(bytes) }
            if files.count == 1 { return nil }
            files.removeFirst()
        }
        return nil
    }

    /// Goes over to the file that took the place of the one read to its end; false when the log is gone.
    private mutating func turn() throws(AgentError) -> Bool {
        guard let file = files.last else { return false }
        guard let inode = LogFile.inode(path: path) else { return false }
        if inode != file.inode, let newer = try LogFile(path: path) { files.append(newer) }
        return true
    }
}
