import Logging
import NIOPosix
import Synchronization

/// The agent's durable memory. Appending never waits: records go to a thread of their own, which writes all that came together
/// and flushes once.
final class Journal: Sendable {
    private struct Waiting {
        var records: [JournalRecord] = []
        var barriers: [@Sendable () -> Void] = []
        /// A run of the thread is due that will take what is here.
        var scheduled = false
    }

    /// Only ever taken on the one thread, so it is never waited for.
    private let file: Mutex<JournalFile>
    private let waiting = Mutex(Waiting())
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let logger: Logger

    /// Reads the journal below `directory`; blocks on the disk.
    static func open(directory: String, logger: Logger) throws(AgentError) -> (journal: Journal, state: JournalState) {
        let file = try JournalFile(directory: directory)
        let state = file.state
        return (Journal(file: file, logger: logger), state)
    }

    private init(file: JournalFile, logger: Logger) {
        self.file = Mutex(file)
        self.logger = logger
        thread.start()
    }

    func append(_ record: JournalRecord) {
        schedule { $0.records.append(record) }
    }

    /// Calls `done`, on the journal's thread, once everything appended before is on disk, or could not be written.
    func barrier(_ done: @escaping @Sendable () -> Void) {
        schedule { $0.barriers.append(done) }
    }

    /// Everything appended is written, then the thread ends.
    func close() async {
        await withCheckedContinuation { continuation in barrier { continuation.resume() } }
        try? await thread.shutdownGracefully()
    }

    private func schedule(_ change: (inout Waiting) -> Void) {
        let isDue = waiting.withLock { waiting in
            change(&waiting)
            defer { waiting.scheduled = true }
            return waiting.scheduled
        }
        if !isDue { thread.submit { _ in self.drain() } }
    }

    private func write(_ records: [JournalRecord]) throws(AgentError) {
        try file.withLock { (file) throws(AgentError) in
            try file.append(records)
            if file.isOvergrown { file = try file.compacted() }
        }
    }

    private func drain() {
        let work = waiting.withLock { waiting in
            defer { waiting = Waiting() }
            return waiting
        }
        if !work.records.isEmpty {
            do {
                try write(work.records)
            } catch {
                // Containers go on, and they carry their orders in their labels; what is lost is what a restart would have known
                // beyond that.
                logger.error(
                    "the agent's journal is not written; a restart would begin from older orders", metadata: ["error": "\(error)"]
                )
            }
        }
        for done in work.barriers { done() }
    }
}
