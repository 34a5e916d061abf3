import FoundationEssentials
import Glibc
import SidekickModel

/// What this machine is, read from the kernel.
enum HostFacts {
    static func identity(_ configuration: AgentConfiguration) -> HostIdentity {
        HostIdentity(
            host: configuration.host, bootID: text("/proc/sys/kernel/random/boot_id"), version: configuration.version,
            cpu: MilliCPU(Int64(processors) * 1000), memory: ByteCount(memory), labels: configuration.labels)
    }

    /// Processors that are there.
    private static var processors: Int {
        max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }

    private static var memory: Int64 {
        let line = text("/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("MemTotal:") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int64($0) } ?? 0) * 1024
    }

    private static func text(_ path: String) -> String {
        guard let bytes = FileManager.default.contents(atPath: path) else { return "" }
        var text = String(decoding: bytes, as: UTF8.self)
        if text.last == "\n" { text.removeLast() }
        return text
    }
}
