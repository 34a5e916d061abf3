import Logging
import UnixSignals

/// Runs a daemon until it ends by itself or TERM or INT asks it to.
enum DaemonRun {
    /// - Throws: what `body` throws, unless it was asked to stop.
    static func untilSignalled(_ logger: Logger, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await body()
                return false
            }
            group.addTask {
                for await signal in signals {
                    logger.notice("stopping: \(signal)")
                    return true
                }
                return false
            }
            let asked = try await group.next() ?? false
            group.cancelAll()
            do {
                while try await group.next() != nil {}
            } catch  where asked {
                // Cancelled, as asked.
            }
        }
    }
}
