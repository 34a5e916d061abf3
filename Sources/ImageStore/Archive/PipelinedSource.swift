import Dispatch
import Synchronization

/// Reads a stream ahead on a thread of its own, so that inflating it and using it take two processors.
final class PipelinedSource: ByteSource {
    private let exchange: Exchange
    private var current: Int?
    private var isFinished = false

    /// - Parameter open: makes the stream; called on the thread that reads ahead.
    /// - Returns: nil when no thread is to be had.
    init?(_ open: @escaping @Sendable () throws(ImageError) -> any ByteSource) {
        let exchange = Exchange()
        guard Thread.detach({ exchange.produce(open) }) else { return nil }
        self.exchange = exchange
    }

    deinit { exchange.abandon() }

    func next() throws(ImageError) -> UnsafeRawBufferPointer? {
        if isFinished { return nil }
        if let current { exchange.giveBack(current) }
        current = nil
        switch exchange.take() {
        case .block(let buffer, let count):
            current = buffer
            return UnsafeRawBufferPointer(rebasing: exchange.buffers[buffer][..<count])
        case .end:
            isFinished = true
            return nil
        case .failure(let error):
            isFinished = true
            throw error
        }
    }
}

/// The buffers that go back and forth between the two threads of a pipeline.
private final class Exchange: @unchecked Sendable {
    // Sendable: each buffer's memory belongs to one side at a time, handed over through `state` and the semaphores; the rest is constant.

    enum Message {
        case block(buffer: Int, count: Int)
        case end
        case failure(ImageError)
    }

    private struct State {
        var free: [Int]
        var messages: [Message] = []
        var isAbandoned = false
    }

    /// Enough to smooth bursts; small enough to stay in a processor's cache.
    private static let bufferCount = 4
    private static let bufferSize = 1 << 18

    let buffers: [UnsafeMutableRawBufferPointer]
    private let state: Mutex<State>
    private let freed = DispatchSemaphore(value: 0)
    private let sent = DispatchSemaphore(value: 0)

    init() {
        buffers = (0..<Self.bufferCount).map { _ in .allocate(byteCount: Self.bufferSize, alignment: 64) }
        state = Mutex(State(free: Array(0..<Self.bufferCount)))
        for _ in 0..<Self.bufferCount { freed.signal() }
    }

    deinit { buffers.forEach { $0.deallocate() } }

    // MARK: The reading side

    func produce(_ open: () throws(ImageError) -> any ByteSource) {
        do throws(ImageError) {
            let source = try open()
            var rest = UnsafeRawBufferPointer(start: nil, count: 0)
            while let buffer = acquire() {
                let count = try fill(buffers[buffer], source, &rest)
                send(count > 0 ? .block(buffer: buffer, count: count) : .end)
                if count == 0 { return }
            }
        } catch {
            send(.failure(error))
        }
    }

    /// Fills a buffer as far as the stream goes. What a block had too much is left in `rest`, valid until the stream's next block.
    private func fill(
        _ buffer: UnsafeMutableRawBufferPointer, _ source: any ByteSource, _ rest: inout UnsafeRawBufferPointer
    ) throws(ImageError) -> Int {
        var filled = 0
        while filled < buffer.count {
            if rest.isEmpty {
                guard let block = try source.next() else { break }
                rest = block
            }
            let count = min(rest.count, buffer.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            filled += count
        }
        return filled
    }

    /// Waits for a buffer to fill; nil when nobody wants what is in it.
    private func acquire() -> Int? {
        freed.wait()
        return state.withLock { $0.isAbandoned ? nil : $0.free.popLast() }
    }

    private func send(_ message: Message) {
        state.withLock { $0.messages.append(message) }
        sent.signal()
    }

    // MARK: The using side

    func take() -> Message {
        sent.wait()
        return state.withLock { $0.messages.removeFirst() }
    }

    func giveBack(_ buffer: Int) {
        state.withLock { $0.free.append(buffer) }
        freed.signal()
    }

    func abandon() {
        state.withLock { $0.isAbandoned = true }
        freed.signal()
    }
}
