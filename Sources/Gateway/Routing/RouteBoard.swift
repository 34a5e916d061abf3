import Synchronization

/// Where the control loop posts the newest routes. A loop looks with each request whether there are newer ones than its own, which
/// costs one load, so that an order of the agent is in force everywhere at once.
final class RouteBoard: Sendable {
    private let table = Mutex(RouteTable.empty)
    private let version = Atomic<UInt64>(0)

    func post(_ new: RouteTable) {
        table.withLock { $0 = new }
        version.wrappingAdd(1, ordering: .releasing)
    }

    /// Replaces a copy that is older than what is posted.
    @inline(__always)
    func refresh(_ copy: inout RouteTable, _ seen: inout UInt64) {
        let current = version.load(ordering: .acquiring)
        guard current != seen else { return }
        copy = table.withLock { $0 }
        seen = current
    }
}
