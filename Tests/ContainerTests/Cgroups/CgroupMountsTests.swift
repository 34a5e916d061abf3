import Testing

@testable import ContainerCore

struct CgroupMountsTests {
    @Test func `a hybrid host's hierarchies are found, those mounted together included`() {
        let mounts = CgroupMounts(
            mountInformation: """
                22 27 0:21 / /proc rw,relatime - proc proc rw
                32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
                35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
                36 31 0:32 / /mnt/memory\\040again rw,relatime - cgroup cgroup rw,memory
                37 31 0:34 / /sys/fs/cgroup/a\\134b rw - cgroup cgroup rw,freezer
                40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
                41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
                """)
        #expect(
            mounts.controllers == [
                "cpu": "/sys/fs/cgroup/cpu,cpuacct", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct", "memory": "/sys/fs/cgroup/memory",
                "freezer": "/sys/fs/cgroup/a\\b",
            ])
        #expect(mounts.unified == "/sys/fs/cgroup/unified")
    }

    @Test func `a pure v2 host has no controllers of v1`() {
        let mounts = CgroupMounts(
            mountInformation: "30 24 0:26 /../.. /sys/fs/cgroup rw shared:4 master:2 - cgroup2 cgroup2 rw,nsdelegate\n")
        #expect(mounts.controllers.isEmpty && mounts.unified == "/sys/fs/cgroup")
    }

    @Test(arguments: ["", "\n", "garbage", "1 2 3", "1 2 0:1 / /x rw - cgroup", "- - - - - - - cgroup2 x y"])
    func `what is no mount line is passed over`(text: String) {
        let mounts = CgroupMounts(mountInformation: text)
        #expect(mounts.controllers.isEmpty && mounts.unified == nil)
    }

    @Test func `pressure is read, with and without the line that older kernels lack`() throws {
        let reading = try #require(
            CgroupPressure.Reading(
                "some avg10=1.50 avg60=0.10 avg300=0.00 total=1234\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=99\n"))
        #expect(reading.some10 == 1.5 && reading.full10 == 0.25 && reading.someTotal == 1234 && reading.fullTotal == 99)
        #expect(CgroupPressure.Reading("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n") != nil)
        #expect(CgroupPressure.Reading("") == nil)
        #expect(CgroupPressure.Reading("some nothing\n") == nil)
    }

    @Test func `v1 lifts swap before memory, and sets it after`() {
        var limits = ContainerLimits()
        limits.cpuMillis = 250
        limits.cpuWeight = 200
        limits.memoryBytes = 1 << 20
        limits.memoryAndSwapBytes = 1 << 20
        limits.pids = 5
        limits.writeBytesPerSecond = 9
        let lines = CgroupV1Limits(limits, lifting: true, devices: ["8:0"]).settings.map { "\($0.file) \($0.text)" }
        #expect(
            lines == [
                "cpu.cfs_quota_us 25000", "cpu.shares 2048", "memory.memsw.limit_in_bytes -1", "memory.limit_in_bytes 1048576",
                "memory.memsw.limit_in_bytes 1048576", "pids.max 5", "blkio.throttle.read_bps_device 8:0 0",
                "blkio.throttle.write_bps_device 8:0 9",
            ])
        #expect(CgroupV1Limits(ContainerLimits(), lifting: false, devices: ["8:0"]).settings == [])
    }
}
