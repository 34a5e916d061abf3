import Glibc
import Synchronization

/// Threads for work that waits in the kernel, so that the cooperative pool never does. A thread is made when all others are busy, at most
/// `largest`; then work queues. Idle threads stay.
final class WaitingThreads: Sendable {
    private let state: Mutex<State>
    private let signal = Condition()
    private let largest: Int

    private struct State {
        var queue: [@Sendable () -> Void] = []
        var threads = 0
        var idle = 0
        var isEnded = false
    }

    init(largest: Int = 64) {
        self.largest = largest
        state = Mutex(State())
    }

    /// Runs `work` on a thread of ours and gives its value or error back.
    func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws(ContainerError) -> Value
    ) async throws(ContainerError) -> Value {
        let result: Result<Value, ContainerError> = await withCheckedContinuation { continuation in
            submit {
                do throws(ContainerError) { continuation.resume(returning: .success(try work())) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    func submit(_ work: @escaping @Sendable () -> Void) {
        let needsThread = state.withLock { state in
            state.queue.append(work)
            guard state.idle < state.queue.count, state.threads < largest else { return false }
            state.threads += 1
            return true
        }
        if needsThread, !startThread({ self.serve() }) {
            // The machine gives no more threads: those there are take the work, and without any the caller's does.
            let alone = state.withLock { state in
                state.threads -= 1
                return state.threads == 0
            }
            if alone { drain() }
        }
        signal.wakeOne()
    }

    /// Lets every idle thread end; work already given is done first.
    func end() {
        state.withLock { $0.isEnded = true }
        signal.wakeAll()
    }

    private func serve() {
        while true {
            let seen = signal.generation
            let next: (work: (@Sendable () -> Void)?, ended: Bool) = state.withLock { state in
                if state.queue.isEmpty {
                    state.idle += 1
                    return (nil, state.isEnded)
                }
                return (state.queue.removeFirst(), false)
            }
            if let work = next.work {
                work()
                continue
            }
            if next.ended {
                state.withLock { state in
                    state.idle -= 1
                    state.threads -= 1
                }
                return
            }
            signal.wait(since: seen)
            state.withLock { $0.idle -= 1 }
        }
    }

    private func drain() {
        while let work = state.withLock({ $0.queue.isEmpty ? nil : $0.queue.removeFirst() }) { work() }
    }
}

/// A condition whose wake-ups are counted, so that none is lost between looking and waiting.
///
/// `@unchecked Sendable`: the pointers are made once and freed in `deinit`, and what they point to is used through pthread's own
/// locking only.
final class Condition: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var count: UInt64 = 0

    init() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(lock)
        condition.deallocate()
        lock.deallocate()
    }

    var generation: UInt64 {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return count
    }

    func wait(since generation: UInt64) {
        pthread_mutex_lock(lock)
        while count == generation { pthread_cond_wait(condition, lock) }
        pthread_mutex_unlock(lock)
    }

    func wakeOne() {
        pthread_mutex_lock(lock)
        count += 1
        pthread_cond_signal(condition)
        pthread_mutex_unlock(lock)
    }

    func wakeAll() {
        pthread_mutex_lock(lock)
        count += 1
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(lock)
    }
}

/// Starts a detached thread with every signal blocked; false when the system refuses one.
func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    let started = pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            var all = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_SETMASK, &all, nil)
            Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
            return nil
        }, box.toOpaque())
    guard started == 0 else {
        box.release()
        return false
    }
    pthread_detach(thread)
    return true
}
