import AgentProtocol
import ControlAPI
import SidekickModel
import Synchronization

/// Passes what agents send of replicas' logs on to whoever asked.
final class LogRelay: Sendable {
    private struct Reader {
        var session: AgentSession
        var output: AsyncThrowingStream<[UInt8], any Error>.Continuation
    }

    private struct State {
        var last: Int64 = 0
        var readers: [Int64: Reader] = [:]
    }

    /// Pieces that may wait for a slow reader; then its stream ends with a failure rather than with a gap.
    private static let waitingPieces = 1024

    private let state = Mutex(State())

    /// Asks the replica's agent; ends when it says so, when its session ends or when the reader stops.
    func read(_ replica: ReplicaID, from session: AgentSession, tail: Int, follow: Bool) -> AsyncThrowingStream<
        [UInt8], any Error
    > {
        let (stream, output) = AsyncThrowingStream<[UInt8], any Error>.makeStream(
            bufferingPolicy: .bufferingOldest(Self.waitingPieces))
        let request = state.withLock { state in
            state.last += 1
            state.readers[state.last] = Reader(session: session, output: output)
            return state.last
        }
        output.onTermination = { [weak self] _ in self?.stop(request) }
        session.send(.readLogs(request: request, replica: replica, tail: tail, follow: follow)) { [weak self] in
            self?.sessionEnded(session.id)
        }
        return stream
    }

    func receive(_ request: Int64, _ bytes: [UInt8], end: Bool, failure: String?) {
        guard let reader = state.withLock({ $0.readers[request] }) else { return }
        if !bytes.isEmpty, case .dropped = reader.output.yield(bytes) {
            reader.output.finish(
                throwing: APIFailure(.unavailable, "the log came faster than it was read; ask again, with a smaller tail"))
            return
        }
        guard end else { return }
        state.withLock { $0.readers[request] = nil }
        if let failure {
            reader.output.finish(throwing: APIFailure(.unavailable, failure))
        } else {
            reader.output.finish()
        }
    }

    func sessionEnded(_ session: Int64) {
        let ended = state.withLock { state in
            let ended = state.readers.filter { $0.value.session.id == session }
            for request in ended.keys { state.readers[request] = nil }
            return ended
        }
        for reader in ended.values {
            reader.output.finish(throwing: APIFailure(.unavailable, "the connection to the replica's host broke; ask again"))
        }
    }

    /// The reader is gone; an agent that still sends is told to stop.
    private func stop(_ request: Int64) {
        guard let reader = state.withLock({ $0.readers.removeValue(forKey: request) }) else { return }
        reader.session.send(.cancelLogs(request: request))
    }
}
