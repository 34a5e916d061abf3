import Glibc
import LinuxShims

/// cgroup v2, one hierarchy. Device access is a small program on the parent, which holds for every group below.
package struct CgroupV2Driver: CgroupDriver {
    package let notes: [String]
    private let parent: CgroupDirectory
    private let controllers: Set<String>

    private static let used = ["cpu", "memory", "pids", "io"]
    private static let lost = [
        "cpu": "processor time is not limited", "memory": "memory is neither limited nor measured",
        "pids": "the number of processes is not limited", "io": "block I/O is neither limited nor measured",
    ]

    /// Makes the parent with its controllers and device filter.
    ///
    /// - Parameter root: where the hierarchy is mounted.
    package init(root: String, parent: String) throws(ContainerError) {
        self.parent = CgroupDirectory(path: root + parent)
        try makeWithParents(self.parent)
        var directory = CgroupDirectory(path: root)
        var path = parent.split(separator: "/")[...]
        while true {
            try Self.enable(in: directory)
            guard let next = path.popFirst() else { break }
            directory = directory[String(next)]
        }
        let enabled = (directory.read("cgroup.subtree_control") ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
        controllers = Set(enabled)
        var notes = Self.used.filter { !enabled.contains($0) }.map { "no \($0) controller: \(Self.lost[$0] ?? "")" }
        if controllers.contains("memory"), readSmallFile("/proc/swaps")?.split(separator: "\n").count ?? 0 > 1,
            Self.swapUnlimited(below: directory)
        {
            notes.append("no swap accounting: swap is not limited; boot with swapaccount=1")
        }
        self.notes = notes
        try allowDevices()
    }

    /// Passes on what the directory has to those below it. Controllers are enabled one by one, since one refusal would refuse all.
    private static func enable(in directory: CgroupDirectory) throws(ContainerError) {
        let has = (directory.read("cgroup.controllers") ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
        let on = (directory.read("cgroup.subtree_control") ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
        for controller in used where has.contains(controller) && !on.contains(controller) {
            let number = writeKernelFile("\(directory.path)/cgroup.subtree_control", "+\(controller)")
            if number == EBUSY {
                throw ContainerError(
                    .kernelRefused,
                    "cannot enable controller \(controller) below \(directory.path): processes are in that group itself; "
                        + "move them into a group below it first (systemd: Delegate=yes and DelegateSubgroup=)",
                    cause: errorText(number))
            }
            if number != 0 {
                throw ContainerError(
                    .kernelRefused, "cannot enable controller \(controller) below \(directory.path)", cause: errorText(number))
            }
        }
    }

    private static func swapUnlimited(below directory: CgroupDirectory) -> Bool { !directory.has("memory.swap.max") }

    private func allowDevices() throws(ContainerError) {
        let descriptor = open(parent.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ContainerError(.kernelRefused, "cannot open control group \(parent.path)", cause: errorText(errno))
        }
        defer { close(descriptor) }
        let devices = DefaultDevices.filter
        let result = sk_cgroup_allow_devices(descriptor, devices, devices.count)
        guard result == 0 else {
            throw ContainerError(
                .kernelRefused, "cannot limit device access of control group \(parent.path)", cause: "bpf: \(errorText(-result))")
        }
    }

    package func create(_ name: String, limits: ContainerLimits) throws(ContainerError) -> CgroupHandle {
        let fresh = try parent[name].make()
        try apply(limits, to: parent[name], lifting: !fresh)
        return CgroupHandle(name)
    }

    package func update(_ handle: CgroupHandle, limits: ContainerLimits) throws(ContainerError) {
        try apply(limits, to: try group(handle), lifting: true)
    }

    private func apply(_ limits: ContainerLimits, to group: CgroupDirectory, lifting: Bool) throws(ContainerError) {
        func set(_ controller: String, _ file: String, _ value: String?, none: String) throws(ContainerError) {
            guard value != nil || lifting, controllers.contains(controller), group.has(file) else { return }
            try group.write(file, value ?? none)
        }
        // Microseconds per period of 100 ms, the kernel's default; it takes 1 ms at least.
        try set("cpu", "cpu.max", limits.cpuMillis.map { "\(max($0 * 100, 1000)) 100000" }, none: "max 100000")
        try set("cpu", "cpu.weight", limits.cpuWeight.map { String(max(1, min($0, 10_000))) }, none: "100")
        try set("memory", "memory.max", limits.memoryBytes.map { String($0) }, none: "max")
        let swap = limits.memoryAndSwapBytes.map { String(max(0, $0 - (limits.memoryBytes ?? 0))) }
        try set("memory", "memory.swap.max", swap, none: "max")
        try set("pids", "pids.max", limits.pids.map { String($0) }, none: "max")
        if limits.readBytesPerSecond != nil || limits.writeBytesPerSecond != nil || lifting {
            let read = limits.readBytesPerSecond.map { String($0) } ?? "max"
            let write = limits.writeBytesPerSecond.map { String($0) } ?? "max"
            for device in blockDevices() { try set("io", "io.max", "\(device) rbps=\(read) wbps=\(write)", none: "") }
        }
    }

    private func group(_ handle: CgroupHandle) throws(ContainerError) -> CgroupDirectory {
        let group = parent[handle.name]
        guard group.exists else { throw gone(handle) }
        return group
    }

    package func join(_ handle: CgroupHandle, pid: Int32) throws(ContainerError) {
        try group(handle).write("cgroup.procs", String(pid))
    }

    package func entry(_ handle: CgroupHandle) -> CgroupEntry { .clone(directory: parent[handle.name].path) }

    package func processes(_ handle: CgroupHandle) throws(ContainerError) -> [Int32] { try group(handle).processes() }

    package func beginFreezing(_ handle: CgroupHandle) throws(ContainerError) -> Bool {
        let group = try group(handle)
        try group.write("cgroup.freeze", "1")
        return group.numbers("cgroup.events")["frozen"] == 1
    }

    package func freeze(_ handle: CgroupHandle) throws(ContainerError) {
        if try beginFreezing(handle) { return }
        let group = try group(handle)
        let events = "\(group.path)/cgroup.events"
        if try ask(
            milliseconds: 5000, event: events, { () throws(ContainerError) in group.numbers("cgroup.events")["frozen"] == 1 }
        ) {
            return
        }
        try group.write("cgroup.freeze", "0")
        throw ContainerError(
            .timedOut, "container \(handle.name) did not freeze within 5 s and was thawed; a process of it waits in the kernel")
    }

    package func thaw(_ handle: CgroupHandle) throws(ContainerError) {
        try group(handle).write("cgroup.freeze", "0")
    }

    package func killAll(_ handle: CgroupHandle) throws(ContainerError) {
        let group = parent[handle.name]
        guard group.exists else { return }
        if group.has("cgroup.kill") { return try group.write("cgroup.kill", "1") }
        // Before Linux 5.14: frozen processes cannot fork away from the list of those to be killed, and die frozen.
        try freeze(handle)
        for process in group.processes() { kill(process, SIGKILL) }
    }

    package func statistics(_ handle: CgroupHandle) throws(ContainerError) -> ContainerStatistics {
        let group = try group(handle)
        var statistics = ContainerStatistics()
        let cpu = group.numbers("cpu.stat")
        statistics.cpuNanoseconds = (cpu["usage_usec"] ?? 0) * 1000
        statistics.throttledNanoseconds = (cpu["throttled_usec"] ?? 0) * 1000
        statistics.memoryBytes = group.number("memory.current")
        statistics.memoryPeakBytes = group.has("memory.peak") ? group.number("memory.peak") : statistics.memoryBytes
        statistics.processes = group.has("pids.current") ? group.number("pids.current") : Int64(group.processes().count)
        statistics.outOfMemoryKills = try oomKills(handle)
        // Lines `254:0 rbytes=4096 wbytes=0 rios=1 ...`.
        for word in (group.read("io.stat") ?? "").split(whereSeparator: \.isWhitespace) {
            if word.hasPrefix("rbytes=") { statistics.readBytes += Int64(word.dropFirst(7)) ?? 0 }
            if word.hasPrefix("wbytes=") { statistics.writtenBytes += Int64(word.dropFirst(7)) ?? 0 }
        }
        return statistics
    }

    package func pressure(_ handle: CgroupHandle) throws(ContainerError) -> CgroupPressure? {
        CgroupPressure(in: try group(handle))
    }

    package func oomKills(_ handle: CgroupHandle) throws(ContainerError) -> Int64 {
        parent[handle.name].numbers("memory.events")["oom_kill"] ?? 0
    }

    package func remove(_ handle: CgroupHandle) throws(ContainerError) {
        let group = parent[handle.name]
        if try group.remove() { return }
        try killAll(handle)
        let removed = try ask(milliseconds: 10_000, event: "\(group.path)/cgroup.events") { () throws(ContainerError) in
            try group.remove()
        }
        guard removed else { throw stillBusy([group]) }
    }

    package func leftovers() throws(ContainerError) -> [String] { parent.children() }

    package func destroy() throws(ContainerError) {
        for name in parent.children() { try remove(CgroupHandle(name)) }
        guard try parent.remove() else { throw stillBusy([parent]) }
    }
}
