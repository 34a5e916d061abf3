package import SidekickModel

/// Chooses hosts for new replicas of one service, remembering what it has already given out in this step.
///
/// A host takes a replica when its agent is alive, it is neither cordoned nor draining, and the declared processor share and
/// memory fit beside what is reserved. Among those: the fewest failing replicas of the service, then the fewest replicas of it,
/// then the most free memory, then the most free processor share, then the name.
package struct Placement: Sendable {
    private struct Candidate: Sendable {
        var name: String
        var replicas: Int
        var failing: Int
        var freeCPU: Int64
        var freeMemory: Int64
    }

    /// In order of name.
    private var candidates: [Candidate]

    package init(hosts: [HostView], replicas: [ReplicaView]) {
        candidates = hosts.filter { $0.liveness == .alive && !$0.record.cordoned && !$0.record.draining }.map { host in
            let own = replicas.filter { $0.record.host == host.record.name && $0.record.desired != .removed }
            return Candidate(
                name: host.record.name, replicas: own.count,
                failing: replicas.count {
                    $0.record.host == host.record.name && $0.observed?.phase == .failed && $0.failures > 0
                },
                freeCPU: host.record.cpu.count - host.reservedCPU.count,
                freeMemory: host.record.memory.bytes - host.reservedMemory.bytes)
        }
        candidates.sort { $0.name < $1.name }
    }

    /// The host for one more replica, its resources now reserved; nil when none has room.
    package mutating func place(_ resources: Resources) -> String? {
        let cpu = resources.cpu?.count ?? 0
        let memory = resources.memory?.bytes ?? 0
        let fitting = candidates.indices.filter {
            (cpu == 0 || candidates[$0].freeCPU >= cpu) && (memory == 0 || candidates[$0].freeMemory >= memory)
        }
        guard let best = fitting.min(by: { Self.isBetter(candidates[$0], candidates[$1]) }) else { return nil }
        candidates[best].replicas += 1
        candidates[best].freeCPU -= cpu
        candidates[best].freeMemory -= memory
        return candidates[best].name
    }

    private static func isBetter(_ a: Candidate, _ b: Candidate) -> Bool {
        if a.failing != b.failing { return a.failing < b.failing }
        if a.replicas != b.replicas { return a.replicas < b.replicas }
        if a.freeMemory != b.freeMemory { return a.freeMemory > b.freeMemory }
        if a.freeCPU != b.freeCPU { return a.freeCPU > b.freeCPU }
        return a.name < b.name
    }
}
