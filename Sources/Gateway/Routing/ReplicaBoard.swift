import SidekickModel
import Synchronization

/// One replica as the loops know it: what a request that went to it is counted and logged as.
final class ReplicaEntry: Sendable {
    let replica: ReplicaID
    let revision: Int
    let statistics: ReplicaStatistics

    init(replica: ReplicaID, revision: Int, statistics: ReplicaStatistics = ReplicaStatistics()) {
        self.replica = replica
        self.revision = revision
        self.statistics = statistics
    }
}

/// Which replica each target stands for now. The control loop changes it; a loop takes over a change with the next request it counts,
/// which costs one load as long as there is none.
final class ReplicaBoard: Sendable {
    private let entries = Mutex<[ReplicaEntry?]>([])
    private let version = Atomic<UInt64>(0)

    /// Names the replica behind a target. One that is known keeps what was counted, also when it moves to another revision.
    func set(_ replica: ReplicaID, revision: Int, at target: Int32) {
        let changed = entries.withLock { entries in
            while entries.count <= Int(target) { entries.append(nil) }
            let known = entries[Int(target)]
            if let known, known.replica == replica, known.revision == revision { return false }
            let statistics = known?.replica == replica ? known?.statistics : nil
            entries[Int(target)] = ReplicaEntry(
                replica: replica, revision: revision, statistics: statistics ?? ReplicaStatistics())
            return true
        }
        if changed { version.wrappingAdd(1, ordering: .releasing) }
    }

    /// Replaces a copy that is older than what is posted.
    @inline(__always)
    func refresh(_ copy: inout [ReplicaEntry?], _ seen: inout UInt64) {
        let current = version.load(ordering: .acquiring)
        guard current != seen else { return }
        copy = entries.withLock { $0 }
        seen = current
    }

    subscript(target: Int32) -> ReplicaEntry? {
        entries.withLock { Int(target) < $0.count ? $0[Int(target)] : nil }
    }
}
