package import SidekickModel

/// Chooses hosts for new replicas of one service, remembering what it has already given out in this step.
///
/// A host takes a replica when its agent is alive, it is neither cordoned nor draining, and what the replica will hold (see
/// `Reservation`) fits beside what is reserved. Among those: the fewest failing replicas of the service, then those on which the replica
/// would fit online too, then the fewest replicas of it, then the most free memory, then the most free processor share, then the name.
package struct Placement: Sendable {
    private struct Candidate: Sendable {
        var name: String
        var open: Bool
        var replicas: Int
        var failing: Int
        var cpu: MilliCPU
        var memory: ByteCount
        var freeCPU: Int64
        var freeMemory: Int64

        func has(_ need: Reservation) -> Bool {
            (need.cpu <= 0 || freeCPU >= need.cpu) && (need.memory <= 0 || freeMemory >= need.memory)
        }

        mutating func give(_ need: Reservation) {
            freeCPU -= need.cpu
            freeMemory -= need.memory
        }
    }

    /// In order of name.
    private var candidates: [Candidate]
    /// Where in `candidates` a host is.
    private let places: [String: Int]
    /// Whether some host is silent: what room there will be is not known then.
    let isUncertain: Bool

    package init(hosts: [HostView], replicas: [ReplicaView]) {
        // One pass over the replicas: with many of them on many hosts, one for each host would take seconds.
        var own: [String: (replicas: Int, failing: Int)] = [:]
        for replica in replicas {
            if replica.record.desired != .removed { own[replica.record.host, default: (0, 0)].replicas += 1 }
            if replica.observed?.phase == .failed, replica.failures > 0 { own[replica.record.host, default: (0, 0)].failing += 1 }
        }
        let ordered = hosts.map { host in
            let own = own[host.record.name] ?? (0, 0)
            return Candidate(
                name: host.record.name,
                open: host.liveness == .alive && !host.record.cordoned && !host.record.draining, replicas: own.replicas,
                failing: own.failing, cpu: host.record.cpu, memory: host.record.memory,
                freeCPU: host.record.cpu.count - host.reservedCPU.count,
                freeMemory: host.record.memory.bytes - host.reservedMemory.bytes)
        }
        let candidates = ordered.sorted { $0.name < $1.name }
        places = Dictionary(candidates.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.candidates = candidates
        isUncertain = hosts.contains { $0.liveness == .unknown || $0.liveness == .suspected }
    }

    /// The host for one more replica to be taken to `desired`, what it will hold now reserved; nil when none has room.
    package mutating func place(_ resources: Resources, at desired: DesiredState) -> String? {
        let need = Reservation(resources, at: desired)
        let online = Reservation(resources, at: .rung(.online))
        let fitting = candidates.indices.filter { candidates[$0].open && candidates[$0].has(need) }
        guard let best = fitting.min(by: { Self.isBetter(candidates[$0], candidates[$1], online: online) }) else { return nil }
        candidates[best].replicas += 1
        candidates[best].give(need)
        return candidates[best].name
    }

    /// Whether `host`, where the replica is already, has room for what it will hold `more`.
    func hasRoom(for more: Reservation, on host: String) -> Bool { places[host].map { candidates[$0].has(more) } ?? false }

    mutating func give(_ more: Reservation, on host: String) {
        guard let index = places[host] else { return }
        candidates[index].give(more)
    }

    /// Why `place` found none: named is the open host that lacks the fewest resources, then the least of them.
    func shortage(of service: String, _ resources: Resources, at desired: DesiredState) -> Shortage {
        let need = Reservation(resources, at: desired)
        func lack(_ one: Candidate) -> (Int, Int64, Int64) {
            let cpu = need.cpu > 0 ? max(0, need.cpu - one.freeCPU) : 0
            let memory = need.memory > 0 ? max(0, need.memory - one.freeMemory) : 0
            return ((cpu > 0 ? 1 : 0) + (memory > 0 ? 1 : 0), cpu, memory)
        }
        let nearest = candidates.filter(\.open).min { lack($0) < lack($1) }
        return Shortage(
            service: service, need: need,
            nearest: nearest.map {
                Shortage.Offer(
                    name: $0.name, cpu: $0.cpu, memory: $0.memory, freeCPU: $0.freeCPU, freeMemory: $0.freeMemory)
            })
    }

    private static func isBetter(_ a: Candidate, _ b: Candidate, online: Reservation) -> Bool {
        if a.failing != b.failing { return a.failing < b.failing }
        if a.has(online) != b.has(online) { return a.has(online) }
        if a.replicas != b.replicas { return a.replicas < b.replicas }
        if a.freeMemory != b.freeMemory { return a.freeMemory > b.freeMemory }
        if a.freeCPU != b.freeCPU { return a.freeCPU > b.freeCPU }
        return a.name < b.name
    }
}
