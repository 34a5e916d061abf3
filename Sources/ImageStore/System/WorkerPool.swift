import CArchive
import Glibc
import LinuxShims
import Synchronization

/// Runs blocking work on threads of its own, at most `limit` at a time, so that files and locks never hold up the cooperative pool. Threads
/// are made when there is work and end when there is none.
final class WorkerPool: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var running = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = max(1, limit) }

    /// Runs `body` on a thread of the pool and gives back what it returned or threw.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ImageError) -> Value
    ) async throws(ImageError) -> Value {
        let result: Result<Value, ImageError> = await withCheckedContinuation { continuation in
            submit {
                do throws(ImageError) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    /// Runs `body` some time; nobody learns how it went.
    func start(_ body: @escaping @Sendable () -> Void) { submit(body) }

    private func submit(_ job: @escaping @Sendable () -> Void) {
        let needsThread = state.withLock { state in
            state.waiting.append(job)
            guard state.running < limit else { return false }
            state.running += 1
            return true
        }
        // Without a thread to be had, holding up the caller is better than never answering.
        if needsThread && !Thread.detach({ self.drain() }) { drain() }
    }

    private func drain() {
        while let job = state.withLock({ state -> (@Sendable () -> Void)? in
            if state.waiting.isEmpty {
                state.running -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }) {
            job()
        }
    }
}

/// Starting threads.
enum Thread {
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    /// Starts a detached thread; false when the system has none to give. Its character set is UTF-8: libarchive turns member names of pax
    /// headers into that of the thread's locale.
    static func detach(_ body: @escaping @Sendable () -> Void) -> Bool {
        let boxed = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let started = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let locale = newlocale(1 << LC_CTYPE, "C.UTF-8", nil)
                let before = locale.map { uselocale($0) }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                if let locale, let before {
                    uselocale(before)
                    freelocale(locale)
                }
                return nil
            }, boxed.toOpaque())
        guard started == 0 else {
            boxed.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
