import FoundationEssentials
import SidekickModel

/// What this machine is, read from the kernel. A machine may itself be somebody's container: the limits of the cgroup tree's visible
/// root, below which the replicas' cgroups are made, count as the machine's size.
struct HostFacts {
    /// The text of a file; empty when it is not there.
    let read: (String) -> String

    static func identity(_ configuration: AgentConfiguration) -> HostIdentity {
        let facts = HostFacts { path in
            FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        return HostIdentity(
            host: configuration.host, bootID: facts.word("/proc/sys/kernel/random/boot_id") ?? "", version: configuration.version,
            cpu: facts.cpu, memory: facts.memory, labels: configuration.labels,
            gateway: configuration.gatewayAddress)
    }

    /// Processors that may be used, less where a quota says so.
    var cpu: MilliCPU {
        let line = read("/proc/self/status").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
        let ranges = line.drop { $0 != "\t" }.dropFirst().split(separator: ",")
        let processors = ranges.reduce(Int64(0)) { sum, range in
            let ends = range.split(separator: "-").compactMap { Int64($0) }
            return sum + (ends.last ?? 0) - (ends.first ?? 0) + (ends.isEmpty ? 0 : 1)
        }
        let all = max(1, processors) * 1000
        return MilliCPU(min(all, quota ?? all))
    }

    var memory: ByteCount {
        let line = read("/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("MemTotal:") } ?? ""
        let total = (line.split(separator: " ").dropFirst().first.flatMap { Int64($0) } ?? 0) * 1024
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].compactMap { number($0) }
        return ByteCount(limits.reduce(total, min))
    }

    /// Thousandths of a processor; nil without a quota.
    private var quota: Int64? {
        let parts = read("/sys/fs/cgroup/cpu.max").split(whereSeparator: \.isWhitespace).map { Int64($0) }
        let both =
            parts.count == 2
            ? (parts[0], parts[1])
            : (number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), number("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))
        guard let quota = both.0, let period = both.1, quota > 0, period > 0 else { return nil }
        return max(1, quota * 1000 / period)
    }

    private func number(_ path: String) -> Int64? { word(path).flatMap { Int64($0) } }

    private func word(_ path: String) -> String? { read(path).split(whereSeparator: \.isWhitespace).first.map(String.init) }
}
