import ContainerCore
import LinuxShims

/// What a container's resources come down to: files of control groups and their texts, in the order to be written.
struct ResourceSettings {
    struct Setting: Hashable {
        /// The v1 controller, or the first part of the v2 file's name.
        var controller: String
        var file: String
        var text: String
    }

    private(set) var settings: [Setting] = []
    private(set) var devices: [sk_device_rule] = []

    /// - Throws: `invalidConfiguration` for what this kind of control groups cannot do.
    init(_ resources: Resources, unified: Bool, current: (_ controller: String, _ file: String) -> String?) throws {
        if unified {
            try addUnified(resources)
        } else {
            try addHierarchies(resources, current)
        }
        devices = try DeviceAccess.rules(resources.devices ?? [])
    }

    private mutating func set(_ controller: String, _ file: String, _ value: (some CustomStringConvertible)?) {
        if let value { settings.append(Setting(controller: controller, file: file, text: value.description)) }
    }

    // MARK: cgroup v1 (Documentation/admin-guide/cgroup-v1)

    private mutating func addHierarchies(_ resources: Resources, _ current: (String, String) -> String?) throws {
        guard resources.unified?.isEmpty != false else {
            throw invalid("linux.resources.unified: this host has cgroup v1, where none of those files exist")
        }
        if let memory = resources.memory { addMemory(memory, current) }
        if let cpu = resources.cpu {
            set("cpu", "cpu.shares", cpu.shares.flatMap { $0 == 0 ? nil : $0 })
            addQuota(cpu, current)
            set("cpu", "cpu.cfs_burst_us", cpu.burst)
            set("cpu", "cpu.rt_period_us", cpu.realtimePeriod.flatMap { $0 == 0 ? nil : $0 })
            set("cpu", "cpu.rt_runtime_us", cpu.realtimeRuntime.flatMap { $0 == 0 ? nil : $0 })
            set("cpu", "cpu.idle", cpu.idle)
            set("cpuset", "cpuset.cpus", cpu.cpus.flatMap { $0.isEmpty ? nil : $0 })
            set("cpuset", "cpuset.mems", cpu.mems.flatMap { $0.isEmpty ? nil : $0 })
        }
        addPids(resources)
        if let io = resources.blockIO {
            let weight = current("blkio", "blkio.weight") != nil ? "blkio.weight" : "blkio.bfq.weight"
            set("blkio", weight, io.weight.flatMap { $0 == 0 ? nil : $0 })
            set("blkio", "blkio.leaf_weight", io.leafWeight.flatMap { $0 == 0 ? nil : $0 })
            for device in io.weightDevice ?? [] {
                set("blkio", "\(weight)_device", device.weight.map { "\(device.major):\(device.minor) \($0)" })
                set("blkio", "blkio.leaf_weight_device", device.leafWeight.map { "\(device.major):\(device.minor) \($0)" })
            }
            for (file, devices) in [
                ("read_bps", io.throttleReadBpsDevice), ("write_bps", io.throttleWriteBpsDevice),
                ("read_iops", io.throttleReadIOPSDevice), ("write_iops", io.throttleWriteIOPSDevice),
            ] {
                for device in devices ?? [] {
                    set("blkio", "blkio.throttle.\(file)_device", "\(device.major):\(device.minor) \(device.rate)")
                }
            }
        }
        for limit in resources.hugepageLimits ?? [] {
            set("hugetlb", "hugetlb.\(limit.pageSize).limit_in_bytes", limit.limit)
        }
        set("net_cls", "net_cls.classid", resources.network?.classID)
        for priority in resources.network?.priorities ?? [] {
            set("net_prio", "net_prio.ifpriomap", "\(priority.name) \(priority.priority)")
        }
        addRDMA(resources)
    }

    /// The two limits may never cross, so whichever makes room comes first.
    private mutating func addMemory(_ memory: Resources.Memory, _ current: (String, String) -> String?) {
        let both = "memory.memsw.limit_in_bytes", one = "memory.limit_in_bytes"
        let swap = memory.swap.flatMap { $0 == 0 ? nil : $0 } ?? (memory.limit == -1 ? -1 : nil)
        let limit = memory.limit.flatMap { $0 == 0 ? nil : $0 }
        let now = current("memory", both).flatMap { Int64($0.trimmed) }
        let isRaised = limit.map { $0 == -1 || $0 > now ?? .max } ?? false
        // A kernel that counts no swap limits none either.
        let counted = now == nil ? nil : swap
        if isRaised { set("memory", both, counted) }
        set("memory", one, limit)
        if !isRaised { set("memory", both, counted) }
        set("memory", "memory.soft_limit_in_bytes", memory.reservation.flatMap { $0 == 0 ? nil : $0 })
        set("memory", "memory.kmem.tcp.limit_in_bytes", memory.kernelTCP.flatMap { $0 == 0 ? nil : $0 })
        set("memory", "memory.swappiness", memory.swappiness)
        if memory.disableOOMKiller == true { set("memory", "memory.oom_control", "1") }
    }

    /// A quota must fit its period in between too: a longer period comes first, a shorter one last.
    private mutating func addQuota(_ cpu: Resources.CPU, _ current: (String, String) -> String?) {
        let period = cpu.period.flatMap { $0 == 0 ? nil : $0 }, quota = cpu.quota.flatMap { $0 == 0 ? nil : $0 }
        let now = current("cpu", "cpu.cfs_period_us").flatMap { UInt64($0.trimmed) } ?? 100_000
        let isLonger = period.map { $0 >= now } ?? true
        if isLonger { set("cpu", "cpu.cfs_period_us", period) }
        set("cpu", "cpu.cfs_quota_us", quota)
        if !isLonger { set("cpu", "cpu.cfs_period_us", period) }
    }

    private mutating func addPids(_ resources: Resources) {
        // 0 means none was set (runtime-spec before 1.3).
        guard let limit = resources.pids?.limit, limit != 0 else { return }
        set("pids", "pids.max", limit < 0 ? "max" : String(limit))
    }

    private mutating func addRDMA(_ resources: Resources) {
        for (device, limit) in (resources.rdma ?? [:]).sorted(by: { $0.key < $1.key }) {
            let handles = limit.hcaHandles.map { " hca_handle=\($0)" } ?? "",
                objects = limit.hcaObjects.map { " hca_object=\($0)" } ?? ""
            set("rdma", "rdma.max", device + handles + objects)
        }
    }

    // MARK: cgroup v2 (Documentation/admin-guide/cgroup-v2.rst)

    private mutating func addUnified(_ resources: Resources) throws {
        if let memory = resources.memory {
            guard memory.swappiness == nil else { throw invalid("linux.resources.memory.swappiness: cgroup v2 has none") }
            guard memory.disableOOMKiller != true else {
                throw invalid("linux.resources.memory.disableOOMKiller: cgroup v2 cannot disable it")
            }
            let limit = memory.limit.flatMap { $0 == 0 ? nil : $0 }
            set("memory", "memory.max", limit.map(Self.orMax))
            if let swap = memory.swap, swap != 0 || limit == nil {
                guard swap < 0 || swap >= limit ?? 0 else {
                    throw invalid("linux.resources.memory.swap: \(swap) counts memory too and must not be below its limit")
                }
                set("memory", "memory.swap.max", swap < 0 ? "max" : String(swap - max(limit ?? 0, 0)))
            }
            set("memory", "memory.low", memory.reservation.flatMap { $0 == 0 ? nil : Self.orMax($0) })
        }
        if let cpu = resources.cpu {
            guard cpu.realtimeRuntime ?? 0 == 0, cpu.realtimePeriod ?? 0 == 0 else {
                throw invalid("linux.resources.cpu: cgroup v2 has no realtimeRuntime and realtimePeriod")
            }
            // The scale of runc and crun: 2 to 262,144 shares become a weight of 1 to 10,000.
            set("cpu", "cpu.weight", cpu.shares.flatMap { $0 == 0 ? nil : 1 + (min(max($0, 2), 262_144) - 2) * 9999 / 262_142 })
            if cpu.quota ?? 0 != 0 || cpu.period ?? 0 != 0 {
                let quota = cpu.quota ?? 0
                set(
                    "cpu", "cpu.max",
                    "\(quota > 0 ? String(quota) : "max") \(cpu.period.flatMap { $0 == 0 ? nil : $0 } ?? 100_000)")
            }
            set("cpu", "cpu.max.burst", cpu.burst)
            set("cpu", "cpu.idle", cpu.idle)
            set("cpuset", "cpuset.cpus", cpu.cpus.flatMap { $0.isEmpty ? nil : $0 })
            set("cpuset", "cpuset.mems", cpu.mems.flatMap { $0.isEmpty ? nil : $0 })
        }
        addPids(resources)
        if let io = resources.blockIO { addUnified(io) }
        for limit in resources.hugepageLimits ?? [] { set("hugetlb", "hugetlb.\(limit.pageSize).max", limit.limit) }
        guard resources.network?.classID ?? 0 == 0, resources.network?.priorities?.isEmpty != false else {
            throw invalid("linux.resources.network: cgroup v2 has neither classID nor priorities")
        }
        addRDMA(resources)
        for (file, text) in (resources.unified ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard !file.contains("/"), let dot = file.firstIndex(of: ".") else {
                throw invalid("linux.resources.unified: \(file) is no control file's name")
            }
            for line in text.split(separator: "\n") { set(String(file[..<dot]), file, String(line)) }
        }
    }

    private mutating func addUnified(_ io: Resources.BlockIO) {
        // blkio's 10 to 1,000 on io's 1 to 10,000.
        set("io", "io.weight", io.weight.flatMap { $0 == 0 ? nil : "default \(1 + (max(UInt64($0), 10) - 10) * 9999 / 990)" })
        for device in io.weightDevice ?? [] {
            set(
                "io", "io.weight",
                device.weight.map { "\(device.major):\(device.minor) \(1 + (max(UInt64($0), 10) - 10) * 9999 / 990)" })
        }
        for (key, devices) in [
            ("rbps", io.throttleReadBpsDevice), ("wbps", io.throttleWriteBpsDevice), ("riops", io.throttleReadIOPSDevice),
            ("wiops", io.throttleWriteIOPSDevice),
        ] {
            for device in devices ?? [] { set("io", "io.max", "\(device.major):\(device.minor) \(key)=\(device.rate)") }
        }
    }

    private static func orMax(_ bytes: Int64) -> String { bytes < 0 ? "max" : String(bytes) }
}
