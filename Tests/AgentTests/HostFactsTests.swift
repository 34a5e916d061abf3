import SidekickModel
import Testing

@testable import Agent

struct HostFactsTests {
    private static let machine = [
        "/proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-3,6,8-9\nMems_allowed:\t1\n",
        "/proc/meminfo": "MemTotal:        4096 kB\nMemFree: 1 kB\n",
    ]

    private static func facts(_ more: [String: String]) -> HostFacts {
        HostFacts { more[$0] ?? machine[$0] ?? "" }
    }

    @Test func `processors allowed and memory there are counted`() {
        #expect(Self.facts([:]).cpu == MilliCPU(7000) && Self.facts([:]).memory == ByteCount(4 << 20))
    }

    @Test(
        arguments: [
            ("/sys/fs/cgroup/cpu.max", "max 100000\n", 7000), ("/sys/fs/cgroup/cpu.max", "250000 100000\n", 2500),
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n", 7000), ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n", 500),
        ] as [(String, String, Int64)])
    func `a quota makes the machine smaller`(path: String, text: String, cpu: Int64) {
        #expect(Self.facts([path: text, "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"]).cpu == MilliCPU(cpu))
    }

    @Test(
        arguments: [
            ("/sys/fs/cgroup/memory.max", "max\n", 4 << 20), ("/sys/fs/cgroup/memory.max", "1048576\n", 1 << 20),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", 4 << 20),
        ] as [(String, String, Int64)])
    func `a memory limit makes the machine smaller`(path: String, text: String, memory: Int64) {
        #expect(Self.facts([path: text]).memory == ByteCount(memory))
    }
}
