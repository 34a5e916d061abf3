import Glibc
import LinuxShims
import Synchronization

/// One thread that hears every guard of an engine.
final class GuardWatcher: Sendable {
    typealias Hear = @Sendable (GuardLink.Received) -> Void

    private let epoll: Descriptor
    private let ending: Descriptor
    private let state = Mutex(State())

    private struct State {
        var next: UInt64 = 1
        var watched: [UInt64: (link: GuardLink, hear: Hear)] = [:]
    }

    init() throws(ContainerError) {
        epoll = try Descriptor(sk_epoll_create(), "make an epoll")
        ending = try Descriptor(sk_eventfd(), "make an event")
        _ = sk_epoll_add(epoll.number, ending.number, SK_READABLE, 0, 0)
        guard startThread({ [epoll, ending] in Self.serve(self, epoll, ending) }) else {
            throw ContainerError(.kernelRefused, "cannot start the thread that hears guards")
        }
    }

    /// Calls `hear` on the watcher's thread for each message of `link` and once for its end, after which it is forgotten.
    func watch(_ link: GuardLink, hear: @escaping Hear) {
        let token = state.withLock { state in
            let token = state.next
            state.next += 1
            state.watched[token] = (link, hear)
            return token
        }
        _ = sk_epoll_add(epoll.number, link.socket.number, SK_READABLE, 0, token)
    }

    /// Ends the thread; what is watched is forgotten.
    func end() { _ = sk_eventfd_signal(ending.number) }

    private static func serve(_ watcher: GuardWatcher, _ epoll: Descriptor, _ ending: Descriptor) {
        sk_name_thread("guards")
        var events = [sk_event](repeating: sk_event(), count: 64)
        while true {
            let count = sk_epoll_wait(epoll.number, &events, Int32(events.count), -1)
            if count < 0, count != -EINTR { return }
            for event in events.prefix(Int(max(count, 0))) {
                if event.token == 0 {
                    watcher.state.withLock { $0.watched = [:] }
                    return
                }
                watcher.hear(event.token)
            }
        }
    }

    private func hear(_ token: UInt64) {
        while let (link, hear) = state.withLock({ $0.watched[token] }) {
            let received = link.receive()
            if case .nothing = received { return }
            if case .end = received {
                _ = sk_epoll_remove(epoll.number, link.socket.number)
                state.withLock { _ = $0.watched.removeValue(forKey: token) }
            }
            hear(received)
        }
    }
}
