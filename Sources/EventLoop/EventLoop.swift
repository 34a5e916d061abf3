import Glibc
import LinuxShims
package import SidekickModel
import Synchronization

/// An edge-triggered epoll loop that runs on one thread.
///
/// Everything but `submit`, `stop` and `join` is called on the loop's own thread: from a handler, a timer or a submitted closure.
///
/// Sendable without the compiler's check because `inbox` is under a lock, `epoll` and `wakeup` never change, and every other
/// stored property is only touched by the one thread that is in `run()`, or before it starts.
package final class EventLoop: @unchecked Sendable {
    private struct Slot {
        var handler: (any EventHandler)?
        var generation: UInt32 = 0
    }

    private struct Inbox {
        var work: [@Sendable () -> Void] = []
        var signalled = false
        var stopping = false
    }

    private static let wakeToken = UInt64.max
    private static let capacity = 256

    private let epoll: Int32
    private let wakeup: Int32
    private let inbox = Mutex(Inbox())
    private var slots: [Slot] = []
    private var free: [Int] = []
    private var timers = TimerHeap()
    private var later: [() -> Void] = []
    private var finished = false
    /// The monotonic time at the start of this turn of the loop.
    package private(set) var now: Instant

    package init() throws(SystemError) {
        epoll = try SystemError.check(sk_epoll_create(), "make", "an epoll instance")
        let wakeup = sk_eventfd()
        self.wakeup = wakeup
        now = Instant(nanoseconds: sk_monotonic_nanoseconds())
        _ = try SystemError.check(wakeup, "make", "an event descriptor")
        _ = try SystemError.check(sk_epoll_add(epoll, wakeup, SK_READABLE, 0, Self.wakeToken), "watch", "an event descriptor")
    }

    deinit {
        _ = sk_close(epoll)
        if wakeup >= 0 { _ = sk_close(wakeup) }
    }

    /// The monotonic clock itself, finer than `now`. Callable from any thread.
    package static func monotonicNow() -> Instant { Instant(nanoseconds: sk_monotonic_nanoseconds()) }

    // MARK: Descriptors

    /// Watches a socket for reading, writing and closing, edge-triggered, for as long as it is open: nothing is changed
    /// per request. The loop keeps the handler alive until `forget`.
    package func register(_ socket: borrowing Socket, _ handler: any EventHandler) throws(SystemError) -> Registration {
        let registration = take(handler)
        let events = SK_READABLE | SK_WRITABLE | SK_PEER_CLOSED
        let result = sk_epoll_add(epoll, socket.descriptor, events, 1, registration.token)
        if result < 0 { forget(registration) }
        _ = try SystemError.check(result, "watch", "a socket")
        return registration
    }

    /// The same for what is no socket.
    package func register(_ descriptor: borrowing Descriptor, _ handler: any EventHandler) throws(SystemError) -> Registration {
        let registration = take(handler)
        let result = sk_epoll_add(epoll, descriptor.number, SK_READABLE, 1, registration.token)
        if result < 0 { forget(registration) }
        _ = try SystemError.check(result, "watch", "a descriptor")
        return registration
    }

    /// Gives a registration another handler: the descriptor goes on being watched.
    package func rehome(_ registration: Registration, to handler: any EventHandler) {
        let slot = registration.slot
        guard slots.indices.contains(slot), slots[slot].generation == registration.generation else { return }
        slots[slot].handler = handler
    }

    /// Watches a listener that several loops share; level-triggered, one loop is woken per connection.
    package func registerListener(_ socket: borrowing Socket, _ handler: any EventHandler) throws(SystemError) -> Registration {
        let registration = take(handler)
        let result = sk_epoll_add_exclusive(epoll, socket.descriptor, registration.token)
        if result < 0 { forget(registration) }
        _ = try SystemError.check(result, "watch", "a listener")
        return registration
    }

    /// Ends a registration: the handler hears nothing more, not even what was already reported. Close the socket right after, or
    /// hand it to `unwatch` when it stays open.
    package func forget(_ registration: Registration) {
        let slot = registration.slot
        guard slots.indices.contains(slot), slots[slot].generation == registration.generation else { return }
        slots[slot].handler = nil
        slots[slot].generation &+= 1
        free.append(slot)
    }

    /// Takes a socket that stays open out of the loop.
    package func unwatch(_ socket: borrowing Socket) { _ = sk_epoll_remove(epoll, socket.descriptor) }

    private func take(_ handler: any EventHandler) -> Registration {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
        } else {
            slot = slots.count
            slots.append(Slot())
        }
        slots[slot].handler = handler
        return Registration(slot: slot, generation: slots[slot].generation)
    }

    // MARK: Timers and deferred work

    /// Calls `handler.expired(tag)` once, at `deadline` or just after.
    package func schedule(at deadline: Instant, _ handler: any EventHandler, tag: Int = 0) -> TimerID {
        timers.schedule(at: deadline, handler: handler, tag: tag)
    }

    /// Moves a timer; false when it has run out or was cancelled.
    @discardableResult
    package func reschedule(_ timer: TimerID, at deadline: Instant) -> Bool { timers.reschedule(timer, at: deadline) }

    package func cancel(_ timer: TimerID) { timers.cancel(timer) }

    /// Runs `work` on this loop's thread after the events and timers of this turn.
    package func later(_ work: @escaping () -> Void) { later.append(work) }

    // MARK: From other threads

    /// Runs `work` on the loop's thread, in the order submitted. Callable from any thread. Work submitted after the loop
    /// stopped is dropped.
    package func submit(_ work: @escaping @Sendable () -> Void) {
        let mustSignal = inbox.withLock { inbox in
            inbox.work.append(work)
            defer { inbox.signalled = true }
            return !inbox.signalled
        }
        if mustSignal { _ = sk_eventfd_signal(wakeup) }
    }

    /// Makes `run()` return after the work submitted so far. Callable from any thread.
    package func stop() {
        inbox.withLock { $0.stopping = true }
        submit {}
    }

    // MARK: Running

    /// Runs the loop on the calling thread until `stop()`.
    package func run() {
        withUnsafeTemporaryAllocation(of: sk_event.self, capacity: Self.capacity) { events in
            while !finished { turn(events) }
        }
        slots = []
        timers = TimerHeap()
        later = []
    }

    private func turn(_ events: UnsafeMutableBufferPointer<sk_event>) {
        let count = sk_epoll_wait(epoll, events.baseAddress, Int32(events.count), waitTime())
        now = Instant(nanoseconds: sk_monotonic_nanoseconds())
        precondition(count >= 0 || count == -EINTR, "epoll_wait failed: \(SystemError.text(-count))")
        var woken = false
        for index in 0..<max(0, Int(count)) {
            let event = events[index]
            guard event.token != Self.wakeToken else {
                woken = true
                continue
            }
            let registration = Registration(token: event.token)
            let slot = registration.slot
            guard slots[slot].generation == registration.generation, let handler = slots[slot].handler else { continue }
            handler.ready(Readiness(bits: event.events))
        }
        while let due = timers.popDue(now) { due.handler.expired(due.tag) }
        if woken { takeInbox() }
        runLater()
    }

    private func waitTime() -> Int64 {
        if !later.isEmpty { return 0 }
        guard let next = timers.next else { return -1 }
        return max(0, next.nanoseconds - sk_monotonic_nanoseconds())
    }

    private func takeInbox() {
        _ = sk_eventfd_clear(wakeup)
        let (work, stopping) = inbox.withLock { inbox in
            defer {
                inbox.work = []
                inbox.signalled = false
            }
            return (inbox.work, inbox.stopping)
        }
        for item in work { item() }
        if stopping { finished = true }
    }

    private func runLater() {
        guard !later.isEmpty else { return }
        let work = later
        later = []
        for item in work { item() }
    }
}
