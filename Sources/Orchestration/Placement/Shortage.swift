import SidekickModel

/// Why no host takes a replica, as one sentence for the operator that names the host that comes nearest.
struct Shortage: Hashable {
    /// `web needs 500m cpu and 64MiB memory, vm has 0 of 2 cpu and 20GiB of 32GiB memory free`
    var sentence: String
    /// nil when no host is open for new replicas at all.
    var nearest: String?

    init(service: String, need: Reservation, nearest: Offer?) {
        self.nearest = nearest?.name
        var wants: [String] = []
        if need.cpu > 0 { wants.append("\(MilliCPU(need.cpu)) cpu") }
        if need.memory > 0 { wants.append("\(ByteCount(need.memory)) memory") }
        let wanted = wants.isEmpty ? "a host" : wants.joined(separator: " and ")
        guard let nearest else {
            sentence = "\(service) needs \(wanted), but no host is connected and open for new replicas"
            return
        }
        var has: [String] = []
        if need.cpu > 0 { has.append("\(MilliCPU(max(0, nearest.freeCPU))) of \(nearest.cpu) cpu") }
        if need.memory > 0 {
            has.append("\(Self.rough(max(0, nearest.freeMemory))) of \(Self.rough(nearest.memory.bytes)) memory")
        }
        sentence = "\(service) needs \(wanted), \(nearest.name) has \(has.joined(separator: " and ")) free"
    }

    /// Rounded down to what an operator reads at a glance.
    private static func rough(_ bytes: Int64) -> ByteCount {
        let unit: Int64 = bytes >= 10 << 30 ? 1 << 30 : bytes >= 1 << 20 ? 1 << 20 : 1
        return ByteCount(bytes / unit * unit)
    }

    /// What a host has and what of it is free.
    struct Offer {
        var name: String
        var cpu: MilliCPU
        var memory: ByteCount
        var freeCPU: Int64
        var freeMemory: Int64
    }
}
