import Glibc
import LinuxShims
import Synchronization

/// One container as the engine knows it: a state machine stepped under its lock by calls and by what its guard tells.
final class Container: Sendable {
    typealias Waiter = CheckedContinuation<Void, Never>

    enum Phase: Hashable {
        case preparing, prepared, starting, running, frozen, exited
    }

    struct State {
        var phase = Phase.preparing
        var cradle: Cradle?
        var link: GuardLink?
        var startEvent: Descriptor?
        var pid: Int32?
        var address: String?
        var exit: ContainerExit?
        /// Whether the guard has been asked for something that must come before the start.
        var isAttached = false
        var isRemoving = false
        /// Whether a removal has taken its directory, or is about to: that is done once, since the id may be somebody else's after.
        var isDirectoryTaken = false
        var isGone = false
        /// Whether what was made in the kernel for it has been removed after its end.
        var isCleared = false
        /// Resumed when `phase` changes, when the guard ends and when it is cleared: whoever waits looks again.
        var waiters: [Waiter] = []
        /// Any: several engines may ask one guard.
        var nextCookie = UInt32.random(in: 0...UInt32.max)
        var furtherProcesses: [UInt32: FurtherProcess] = [:]
    }

    let configuration: ContainerConfiguration
    let state = Mutex(State())

    init(_ configuration: ContainerConfiguration) { self.configuration = configuration }

    var id: String { configuration.id }

    var status: ContainerStatus? {
        state.withLock { state in
            let told: ContainerState
            switch state.phase {
            case .preparing: return nil
            case .prepared, .starting: told = .prepared
            case .running: told = .running
            case .frozen: told = .frozen
            case .exited: told = .exited
            }
            let lives = told != .exited
            return ContainerStatus(
                id: id, state: told, pid: lives ? state.pid : nil, guardPID: lives ? state.link?.guardPID : nil,
                address: lives ? state.address : nil, exit: state.exit, labels: configuration.labels)
        }
    }

    /// Changes the state, then wakes whoever waits for a change.
    func change<Value: ~Copyable>(_ body: (inout State) -> sending Value) -> sending Value {
        var woken: [Waiter] = []
        let value = state.withLock { state in
            let value = body(&state)
            swap(&woken, &state.waiters)
            return value
        }
        for waiter in woken { waiter.resume() }
        return value
    }

    /// Returns once `isTrue` holds.
    func wait(until isTrue: @Sendable (borrowing State) -> Bool) async {
        while true {
            var holds = false
            await withCheckedContinuation { (waiter: Waiter) in
                holds = state.withLock { state in
                    if isTrue(state) { return true }
                    state.waiters.append(waiter)
                    return false
                }
                if holds { waiter.resume() }
            }
            if holds { return }
        }
    }
}

/// A process beside the program, started by `run`: the watcher puts its end here and signals the event.
final class FurtherProcess: Sendable {
    let ended: Descriptor
    let result = Mutex<(exit: ContainerExit?, failure: String?)>((nil, nil))

    init() throws(ContainerError) { ended = try Descriptor(sk_eventfd(), "make an event") }
}
