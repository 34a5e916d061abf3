import LinuxShims

/// What an event loop calls, always on its own thread.
package protocol EventHandler: AnyObject {
    /// The descriptor's readiness changed (edge-triggered: read and write until nothing moves, or remember that more may).
    func ready(_ readiness: Readiness)
    /// A timer of this handler ran out; `tag` is what it was scheduled with.
    func expired(_ tag: Int)
}

extension EventHandler {
    package func expired(_ tag: Int) {}
}

/// What epoll reported of one descriptor.
package struct Readiness: Hashable, Sendable {
    let bits: UInt32

    /// Nothing was reported.
    package init() { bits = 0 }
    init(bits: UInt32) { self.bits = bits }

    /// For what is no descriptor but behaves like one.
    package static let readable = Readiness(bits: SK_READABLE)
    package static let writable = Readiness(bits: SK_WRITABLE)
    package static let broken = Readiness(bits: SK_ERROR)

    /// Reading may give bytes, the end, or an error.
    package var canRead: Bool { bits & (SK_READABLE | SK_PEER_CLOSED | SK_HANGUP | SK_ERROR) != 0 }
    package var canWrite: Bool { bits & (SK_WRITABLE | SK_HANGUP | SK_ERROR) != 0 }
    /// The peer will send nothing more: reading on ends with 0 or an error.
    package var peerClosed: Bool { bits & (SK_PEER_CLOSED | SK_HANGUP | SK_ERROR) != 0 }
    /// The connection failed.
    package var isError: Bool { bits & SK_ERROR != 0 }
    /// The connection is dead in both directions.
    package var isBroken: Bool { bits & (SK_HANGUP | SK_ERROR) != 0 }
}

/// One descriptor registered with one loop. A stale one (already ended) is harmless.
package struct Registration: Hashable, Sendable {
    let token: UInt64

    init(slot: Int, generation: UInt32) { token = UInt64(generation) << 32 | UInt64(UInt32(truncatingIfNeeded: slot)) }
    init(token: UInt64) { self.token = token }

    var slot: Int { Int(UInt32(truncatingIfNeeded: token)) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: token >> 32) }
}
