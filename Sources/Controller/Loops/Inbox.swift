import Synchronization

/// Where any thread leaves what one consumer takes in batches, in order. A wake-up stands for everything put before it.
final class Inbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var closed = false
    }

    private let state = Mutex(State())
    /// Yields whenever something may be there.
    let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init() { (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    /// - Returns: false once the inbox is closed: the element was not taken.
    @discardableResult
    func put(_ element: Element) -> Bool {
        let taken = state.withLock { state in
            guard !state.closed else { return false }
            state.elements.append(element)
            return true
        }
        if taken { wake.yield() }
        return taken
    }

    func take() -> [Element] {
        state.withLock { state in
            let elements = state.elements
            state.elements = []
            return elements
        }
    }

    /// Refuses what comes from now on; `take` still gives what is there.
    func close() {
        state.withLock { $0.closed = true }
        wake.finish()
    }
}
