import Synchronization

/// Ended containers' interfaces and addresses on their way out. The kernel takes some 20 ms for one, and no longer for many at once, which
/// nobody waits for but who needs the id or an address again, and the engine's end.
final class Detachments: Sendable {
    private let network: ContainerNetwork
    private let step: StepObserver
    private let threads = WaitingThreads(largest: 16)
    private let pending = Mutex<[String: Int]>([:])
    private let changed = Condition()

    init(_ network: ContainerNetwork, step: @escaping StepObserver) {
        self.network = network
        self.step = step
    }

    func begin(_ id: String) {
        pending.withLock { $0[id, default: 0] += 1 }
        threads.submit { [self] in
            // What cannot be removed now is found by `recover`.
            try? network.detach(id)
            step("network detached")
            pending.withLock { pending in
                let left = (pending[id] ?? 1) - 1
                pending[id] = left > 0 ? left : nil
            }
            changed.wakeAll()
        }
    }

    /// Takes an address for the container, once the last one of that id has none and, where all are taken, once those on their way out
    /// are free.
    func reserve(_ id: String) throws(ContainerError) -> NetworkAttachment {
        wait { $0[id] == nil }
        do throws(ContainerError) { return try network.reserve(id) } catch {
            guard error.code == .resourceMissing, pending.withLock({ !$0.isEmpty }) else { throw error }
            wait { $0.isEmpty }
            return try network.reserve(id)
        }
    }

    /// Returns once nothing is on its way out.
    func finish() { wait { $0.isEmpty } }

    /// Lets the threads go.
    func end() { threads.end() }

    private func wait(until isTrue: (borrowing [String: Int]) -> Bool) {
        while true {
            let seen = changed.generation
            if pending.withLock({ isTrue($0) }) { return }
            changed.wait(since: seen)
        }
    }
}
