import Glibc

/// The journal's file, used by one thread at a time. Appending is one write and one flush to disk; when the file has grown to
/// several times what its state needs, it is written anew beside itself and renamed over.
struct JournalFile: Sendable {
    private let directory: String
    private let descriptor: OwnedDescriptor
    private var length: Int
    private(set) var state: JournalState
    private var compactAt: Int
    /// Whether an append failed, so that the state holds what the file does not.
    private var isBehind = false

    private let smallest: Int

    private var path: String { "\(directory)/journal" }

    /// Opens or makes the journal below `directory`, and cuts off a record that was not written whole.
    /// - Parameter smallest: bytes below which a file is never worth rewriting.
    init(directory: String, smallest: Int = 256 << 10) throws(AgentError) {
        self.directory = directory
        self.smallest = smallest
        let path = "\(directory)/journal"
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard opened >= 0 else { throw Self.failure("failed to open the agent's journal \(path)") }
        descriptor = OwnedDescriptor(opened)
        let bytes = try Self.readAll(opened, path)
        (state, length) = JournalFormat.decode(bytes)
        compactAt = max(smallest, length * 4)
        // What follows the last whole record would hide every record appended after it.
        if bytes.count > length, ftruncate(opened, off_t(length)) != 0 || fdatasync(opened) != 0 {
            throw Self.failure("failed to cut the unfinished end off \(path)")
        }
    }

    /// Whether the file has grown so far that it should be written anew.
    var isOvergrown: Bool { length > compactAt }

    /// On return the records are on disk. After an error they are not, and the file is as before; the next append writes them too.
    mutating func append(_ records: [JournalRecord]) throws(AgentError) {
        for record in records { state.apply(record) }
        if isBehind {
            self = try compacted()
            return
        }
        do {
            let bytes = try Self.encode(records)
            try Self.write(bytes, to: descriptor.number, at: length, path)
            length += bytes.count
        } catch {
            isBehind = true
            ftruncate(descriptor.number, off_t(length))
            throw error
        }
    }

    /// Replaces the file by one that holds the state only.
    func compacted() throws(AgentError) -> JournalFile {
        let temporary = "\(directory)/journal.new"
        let opened = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard opened >= 0 else { throw Self.failure("failed to make \(temporary)") }
        defer { Glibc.close(opened) }
        try Self.write(Self.encode(state.records), to: opened, at: 0, temporary)
        guard rename(temporary, path) == 0 else { throw Self.failure("failed to rename \(temporary) to \(path)") }
        let parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { throw Self.failure("failed to open \(directory)") }
        defer { Glibc.close(parent) }
        guard fsync(parent) == 0 else { throw Self.failure("failed to flush \(directory)") }
        return try JournalFile(directory: directory, smallest: smallest)
    }

    private static func encode(_ records: [JournalRecord]) throws(AgentError) -> [UInt8] {
        do {
            return try records.flatMap { try JournalFormat.encode($0) }
        } catch {
            throw AgentError(.inputOutput, "failed to encode a journal record", cause: "\(error)")
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32, at offset: Int, _ path: String) throws(AgentError) {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset + written))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure("failed to write \(path)") }
            written += count
        }
        guard fdatasync(descriptor) == 0 else { throw failure("failed to flush \(path)") }
    }

    private static func readAll(_ descriptor: Int32, _ path: String) throws(AgentError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = pread(descriptor, &chunk, chunk.count, off_t(bytes.count))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure("failed to read \(path)") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    private static func failure(_ message: String) -> AgentError {
        AgentError(.inputOutput, message, cause: String(cString: strerror(errno)))
    }
}
