import EventLoop
import Synchronization

/// Counts open connections by where they come from, over all loops.
final class SourceCounts: Sendable {
    /// What one source may hold.
    let limit: Int
    private let counts = Mutex<[UInt64: Int]>([:])

    init(limit: Int) { self.limit = limit }

    /// One more connection of a source; nil when it has as many as it may. The seat gives the place back when it goes.
    func take(_ address: SocketAddress) -> ConnectionSeat? {
        guard let source = Self.source(address) else { return ConnectionSeat(self, 0, counted: false) }
        let fits = counts.withLock { counts in
            let count = counts[source, default: 0]
            guard count < limit else { return false }
            counts[source] = count + 1
            return true
        }
        return fits ? ConnectionSeat(self, source, counted: true) : nil
    }

    fileprivate func leave(_ source: UInt64) {
        counts.withLock { counts in
            let count = counts[source, default: 1] - 1
            counts[source] = count > 0 ? count : nil
        }
    }

    /// One IPv4 address, or one IPv6 network of 64 bits, which is what one customer has.
    private static func source(_ address: SocketAddress) -> UInt64? {
        switch address {
        case .ip4(let number, _): UInt64(number)
        case .ip6(let high, _, _): high
        case .unix: nil
        }
    }
}

/// One connection's place among those of its source.
final class ConnectionSeat: Sendable {
    private let counts: SourceCounts
    private let source: UInt64
    private let counted: Bool

    fileprivate init(_ counts: SourceCounts, _ source: UInt64, counted: Bool) {
        self.counts = counts
        self.source = source
        self.counted = counted
    }

    deinit { if counted { counts.leave(source) } }
}
