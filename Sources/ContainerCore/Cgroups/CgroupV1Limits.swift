/// Limits as cgroup v1's files want them, in the order in which they may be written.
struct CgroupV1Limits {
    struct Setting: Hashable {
        var controller: String
        var file: String
        var text: String
        /// Missing files and controllers are passed over where the host may lack them; the driver's notes tell.
        var optional = false
    }

    let settings: [Setting]

    /// `lifting` also writes what lifts each limit that is nil, for a group that may have had one.
    init(_ limits: ContainerLimits, lifting: Bool, devices: [String]? = nil) {
        var settings: [Setting] = []
        func set(_ controller: String, _ file: String, _ value: Int64?, none: Int64, optional: Bool = false) {
            guard value != nil || lifting else { return }
            settings.append(Setting(controller: controller, file: file, text: String(value ?? none), optional: optional))
        }
        // Microseconds per period of 100 ms, the kernel's default; it takes 1 ms at least.
        set("cpu", "cpu.cfs_quota_us", limits.cpuMillis.map { max($0 * 100, 1000) }, none: -1, optional: true)
        // The kernel's own scale: weight 100 is 1024 shares (sched_weight_from_cgroup).
        set("cpu", "cpu.shares", limits.cpuWeight.map { max(2, min($0 * 1024 / 100, 262_144)) }, none: 1024)
        // Memory and swap may never be below memory, so it is lifted first and set last.
        if limits.memoryBytes != nil || limits.memoryAndSwapBytes != nil || lifting {
            let swap = "memory.memsw.limit_in_bytes"
            if lifting { settings.append(Setting(controller: "memory", file: swap, text: "-1", optional: true)) }
            set("memory", "memory.limit_in_bytes", limits.memoryBytes, none: -1)
            if let both = limits.memoryAndSwapBytes {
                settings.append(Setting(controller: "memory", file: swap, text: String(both), optional: true))
            }
        }
        set("pids", "pids.max", limits.pids, none: .max)
        for (file, value) in [("read", limits.readBytesPerSecond), ("write", limits.writeBytesPerSecond)]
        where value != nil || lifting {
            for device in devices ?? blockDevices() {
                settings.append(
                    Setting(controller: "blkio", file: "blkio.throttle.\(file)_bps_device", text: "\(device) \(value ?? 0)"))
            }
        }
        self.settings = settings.map { setting in
            var setting = setting
            if setting.file == "pids.max" && setting.text == String(Int64.max) { setting.text = "max" }
            return setting
        }
    }

    func apply(_ group: (String) -> CgroupDirectory?) throws(ContainerError) {
        for setting in settings {
            guard let directory = group(setting.controller) else { continue }
            if setting.optional && !directory.has(setting.file) { continue }
            try directory.write(setting.file, setting.text)
        }
    }
}
