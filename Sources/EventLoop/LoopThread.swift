import Glibc
import LinuxShims
import Synchronization

/// A thread of its own that runs one event loop.
package final class LoopThread: Sendable {
    package let loop: EventLoop
    private let end = Mutex(End())

    private struct End {
        var ended = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// Starts the thread. `name` shows in `ps -L` and `top`; at most 15 bytes of it. With `processor` it runs on that one only.
    package init(name: String, processor: Int? = nil) throws(SystemError) {
        loop = try EventLoop()
        let start = Start(owner: self, name: name, processor: processor)
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(start).toOpaque()
        let result = pthread_create(&thread, nil, runLoopThread, argument)
        guard result == 0 else {
            Unmanaged<Start>.fromOpaque(argument).release()
            throw SystemError(operation: "start", object: "thread \(name)", number: result)
        }
        pthread_detach(thread)
    }

    /// Stops the loop and returns when its thread has left it.
    package func stop() async {
        loop.stop()
        await ended()
    }

    /// Returns when the loop has stopped.
    package func ended() async {
        await withCheckedContinuation { continuation in
            let already = end.withLock { end in
                if !end.ended { end.waiting.append(continuation) }
                return end.ended
            }
            if already { continuation.resume() }
        }
    }

    fileprivate func run() {
        loop.run()
        let waiting = end.withLock { end in
            end.ended = true
            defer { end.waiting = [] }
            return end.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    fileprivate final class Start: Sendable {
        let owner: LoopThread
        let name: String
        let processor: Int?

        init(owner: LoopThread, name: String, processor: Int?) {
            self.owner = owner
            self.name = name
            self.processor = processor
        }
    }
}

private func runLoopThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let start = Unmanaged<LoopThread.Start>.fromOpaque(argument).takeRetainedValue()
    sk_name_thread(String(decoding: start.name.utf8.prefix(15), as: UTF8.self))
    if let processor = start.processor { _ = sk_pin_thread(Int32(processor)) }
    start.owner.run()
    return nil
}
