import ControlAPI
import Synchronization

/// Tells everyone who watches what changed. A slow reader misses intermediate states of a service, never the last one.
final class ChangeFeed: Sendable {
    /// What a reader has not taken yet.
    struct Batch: Sendable {
        var services: Set<String> = []
        var items: [WatchItem] = []

        var isEmpty: Bool { services.isEmpty && items.isEmpty }
    }

    private struct Reader {
        var batch = Batch()
        var wake: AsyncStream<Void>.Continuation
    }

    private struct State {
        var last = 0
        var readers: [Int: Reader] = [:]
    }

    /// Events and decisions kept for one reader; older ones are dropped, and can be asked for.
    private static let keptItems = 1000

    private let state = Mutex(State())

    /// A new reader: its number, and a stream that yields when there may be something for it, at least about each second.
    func subscribe() -> (reader: Int, wakes: AsyncStream<Void>) {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let reader = state.withLock { state in
            state.last += 1
            state.readers[state.last] = Reader(wake: wake)
            return state.last
        }
        wake.onTermination = { [weak self] _ in self?.unsubscribe(reader) }
        return (reader, wakes)
    }

    func unsubscribe(_ reader: Int) { state.withLock { $0.readers[reader] = nil } }

    func take(_ reader: Int) -> Batch {
        state.withLock { state in
            let batch = state.readers[reader]?.batch ?? Batch()
            state.readers[reader]?.batch = Batch()
            return batch
        }
    }

    /// The service looks different now.
    func mark(_ service: String) { add { $0.services.insert(service) } }

    func publish(_ item: WatchItem) {
        add { batch in
            batch.items.append(item)
            if batch.items.count > Self.keptItems { batch.items.removeFirst() }
        }
    }

    private func add(_ change: (inout Batch) -> Void) {
        state.withLock { state in
            for reader in state.readers.keys {
                guard var batch = state.readers[reader]?.batch else { continue }
                change(&batch)
                state.readers[reader]?.batch = batch
            }
        }
    }

    /// Wakes every reader, whether there is something for it or not.
    func wakeAll() {
        for wake in state.withLock({ $0.readers.values.map(\.wake) }) { wake.yield() }
    }

    /// Ends every stream.
    func finish() {
        for wake in state.withLock({ $0.readers.values.map(\.wake) }) { wake.finish() }
    }
}
