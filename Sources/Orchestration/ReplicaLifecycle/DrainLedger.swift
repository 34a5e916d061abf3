package import SidekickModel

/// Tells when a draining replica has no request left, from what the gateways of its host say.
///
/// Usually there is one gateway; while one hands over to its successor there are two, and both may have requests on the replica. A gateway
/// that is not connected may be away for a moment (it looks for its agent at least once a second) or gone, and its requests with it: it
/// counts as gone after `absence`. A host without any gateway for that long has no request in flight at all.
package struct DrainLedger: Hashable, Sendable {
    /// A gateway, by its process id.
    package typealias Gateway = Int

    private struct Drain: Hashable, Sendable {
        /// Of the order that marked the replica draining.
        var number: Int64
        var reported: Set<Gateway> = []
    }

    /// How long a gateway that went away is waited for.
    package static let absence = Milliseconds.seconds(3)
    /// Whoever was connected to the agent before this one.
    private static let unknown: Gateway = -1

    private var connected: Set<Gateway> = []
    private var away: [Gateway: Instant]
    private var drains: [ReplicaID: Drain] = [:]

    package init(now: Instant) { away = [Self.unknown: now + Self.absence] }

    /// The gateway connected, once more perhaps: what it said before is said again.
    package mutating func connected(_ gateway: Gateway) {
        connected.insert(gateway)
        away[gateway] = nil
        for replica in drains.keys { drains[replica]?.reported.remove(gateway) }
    }

    package mutating func disconnected(_ gateway: Gateway, now: Instant) {
        guard connected.remove(gateway) != nil else { return }
        away[gateway] = now + Self.absence
    }

    /// The replica was marked draining by the order of that number.
    package mutating func began(_ replica: ReplicaID, number: Int64) { drains[replica] = Drain(number: number) }

    /// The replica gets requests again, or is gone.
    package mutating func ended(_ replica: ReplicaID) { drains[replica] = nil }

    /// A gateway has no request left on the replica. Said of another order than the one in force, it means nothing; number 0 comes from a
    /// gateway that knows no numbers.
    package mutating func reported(_ replica: ReplicaID, number: Int64, by gateway: Gateway) {
        guard let drain = drains[replica], number == drain.number || number == 0 else { return }
        drains[replica]?.reported.insert(gateway)
    }

    /// Gateways that stayed away count as gone from now on.
    package mutating func advance(to now: Instant) { away = away.filter { $0.value > now } }

    /// When `advance` is due next; nil when nobody is waited for.
    package var deadline: Instant? { drains.isEmpty ? nil : away.values.min() }

    package func isDrained(_ replica: ReplicaID) -> Bool {
        guard let drain = drains[replica] else { return false }
        return away.isEmpty && connected.isSubset(of: drain.reported)
    }

    /// Every replica that is drained now, in order.
    package var drained: [ReplicaID] { drains.keys.filter { isDrained($0) }.sorted() }
}
