import Glibc

/// cgroup v1, hierarchies apart, with what a hybrid host's cgroup2 adds (ending all at once, knowing when a group is empty, pressure).
///
/// Only hierarchies that something is read from or limited by are joined. Device access is set once, on the parent: groups inherit it.
package struct CgroupV1Driver: CgroupDriver {
    package let notes: [String]
    /// The parent in each joined hierarchy, by controller; controllers mounted together share theirs.
    let parents: [String: CgroupDirectory]
    let unified: CgroupDirectory?
    /// Each joined hierarchy's parent once, in a fixed order.
    private let hierarchies: [CgroupDirectory]

    private static let used = ["cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids"]

    /// Makes the parents.
    package init(mounts: CgroupMounts, parent: String) throws(ContainerError) {
        var parents: [String: CgroupDirectory] = [:]
        var hierarchies: [CgroupDirectory] = []
        for controller in Self.used {
            guard let point = mounts.controllers[controller] else { continue }
            let directory = CgroupDirectory(path: point + parent)
            parents[controller] = directory
            if !hierarchies.contains(directory) { hierarchies.append(directory) }
        }
        self.parents = parents
        unified = mounts.unified.map { CgroupDirectory(path: $0 + parent) }
        if let unified { hierarchies.append(unified) }
        self.hierarchies = hierarchies
        let missing = Self.used.filter { parents[$0] == nil }
        var notes = missing.map { "no \($0) controller: \(Self.lost[$0] ?? "")" }
        for directory in hierarchies { try makeWithParents(directory) }
        if let memory = parents["memory"], !memory.has("memory.memsw.limit_in_bytes") {
            notes.append("no swap accounting: swap is not limited; boot with swapaccount=1")
        }
        self.notes = notes
        if let devices = parents["devices"], devices.read("devices.list")?.hasPrefix("a") == true {
            try devices.write("devices.deny", "a")
            for rule in DefaultDevices.v1Rules { try devices.write("devices.allow", rule) }
        }
    }

    private static let lost = [
        "cpu": "processor time is not limited", "cpuacct": "processor time is not measured",
        "memory": "memory is neither limited nor measured", "devices": "device access is limited by what /dev holds only",
        "freezer": "containers cannot be frozen", "blkio": "block I/O is neither limited nor measured",
        "pids": "the number of processes is not limited",
    ]

    private func group(_ controller: String, _ handle: CgroupHandle) -> CgroupDirectory? { parents[controller]?[handle.name] }

    package func create(_ name: String, limits: ContainerLimits) throws(ContainerError) -> CgroupHandle {
        let handle = CgroupHandle(name)
        var fresh = true
        for parent in hierarchies {
            if try !parent[name].make() { fresh = false }
        }
        try apply(limits, to: handle, lifting: !fresh)
        return handle
    }

    package func update(_ handle: CgroupHandle, limits: ContainerLimits) throws(ContainerError) {
        try requireExists(handle)
        try apply(limits, to: handle, lifting: true)
    }

    private func apply(_ limits: ContainerLimits, to handle: CgroupHandle, lifting: Bool) throws(ContainerError) {
        try CgroupV1Limits(limits, lifting: lifting).apply { group($0, handle) }
    }

    package func join(_ handle: CgroupHandle, pid: Int32) throws(ContainerError) {
        for parent in hierarchies { try parent[handle.name].write("cgroup.procs", String(pid)) }
    }

    package func entry(_ handle: CgroupHandle) -> CgroupEntry {
        .write(hierarchies.map { "\($0[handle.name].path)/cgroup.procs" })
    }

    package func processes(_ handle: CgroupHandle) throws(ContainerError) -> [Int32] {
        try requireExists(handle)
        return hierarchies.first?[handle.name].processes() ?? []
    }

    package func beginFreezing(_ handle: CgroupHandle) throws(ContainerError) -> Bool {
        let group = try freezer(handle)
        try group.write("freezer.state", "FROZEN")
        return group.read("freezer.state")?.trimmed == "FROZEN"
    }

    package func freeze(_ handle: CgroupHandle) throws(ContainerError) {
        if try beginFreezing(handle) { return }
        let group = try freezer(handle)
        if try ask(milliseconds: 5000, { () throws(ContainerError) in group.read("freezer.state")?.trimmed == "FROZEN" }) {
            return
        }
        try group.write("freezer.state", "THAWED")
        throw ContainerError(
            .timedOut, "container \(handle.name) did not freeze within 5 s and was thawed; a process of it waits in the kernel")
    }

    package func thaw(_ handle: CgroupHandle) throws(ContainerError) {
        try freezer(handle).write("freezer.state", "THAWED")
    }

    private func freezer(_ handle: CgroupHandle) throws(ContainerError) -> CgroupDirectory {
        guard let group = group("freezer", handle) else {
            throw ContainerError(
                .resourceMissing, "container \(handle.name) cannot be frozen: this host has no freezer controller")
        }
        guard group.exists else { throw gone(handle) }
        return group
    }

    package func killAll(_ handle: CgroupHandle) throws(ContainerError) {
        if let group = unified?[handle.name], group.has("cgroup.kill") {
            try group.write("cgroup.kill", "1")
        } else if let group = group("freezer", handle), group.exists {
            // Frozen processes cannot fork away from the list of those to be killed.
            try group.write("freezer.state", "FROZEN")
            _ = try ask(milliseconds: 5000) { () throws(ContainerError) in group.read("freezer.state")?.trimmed == "FROZEN" }
            for process in group.processes() { kill(process, SIGKILL) }
        }
        // A frozen process dies of its signal only once it is thawed.
        if let group = group("freezer", handle), group.exists { try group.write("freezer.state", "THAWED") }
    }

    package func statistics(_ handle: CgroupHandle) throws(ContainerError) -> ContainerStatistics {
        try requireExists(handle)
        var statistics = ContainerStatistics()
        statistics.cpuNanoseconds = group("cpuacct", handle)?.number("cpuacct.usage") ?? 0
        statistics.throttledNanoseconds = group("cpu", handle)?.numbers("cpu.stat")["throttled_time"] ?? 0
        if let memory = group("memory", handle) {
            statistics.memoryBytes = memory.number("memory.usage_in_bytes")
            statistics.memoryPeakBytes = memory.number("memory.max_usage_in_bytes")
        }
        let counted = group("pids", handle)?.number("pids.current")
        if let counted { statistics.processes = counted } else { statistics.processes = Int64(try processes(handle).count) }
        statistics.outOfMemoryKills = try oomKills(handle)
        // Lines `254:0 Read 4096`.
        for line in (group("blkio", handle)?.read("blkio.throttle.io_service_bytes_recursive") ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, let bytes = Int64(words[2]) else { continue }
            if words[1] == "Read" { statistics.readBytes += bytes }
            if words[1] == "Write" { statistics.writtenBytes += bytes }
        }
        return statistics
    }

    package func pressure(_ handle: CgroupHandle) throws(ContainerError) -> CgroupPressure? {
        try requireExists(handle)
        return unified.flatMap { CgroupPressure(in: $0[handle.name]) }
    }

    package func oomKills(_ handle: CgroupHandle) throws(ContainerError) -> Int64 {
        group("memory", handle)?.numbers("memory.oom_control")["oom_kill"] ?? 0
    }

    package func remove(_ handle: CgroupHandle) throws(ContainerError) {
        let groups = hierarchies.map { $0[handle.name] }
        var busy = try notRemoved(groups)
        guard !busy.isEmpty else { return }
        try killAll(handle)
        let events = unified.map { "\($0[handle.name].path)/cgroup.events" }
        let removed = try ask(milliseconds: 10_000, event: events) { () throws(ContainerError) in
            busy = try notRemoved(busy)
            return busy.isEmpty
        }
        guard removed else { throw stillBusy(busy) }
    }

    private func notRemoved(_ groups: [CgroupDirectory]) throws(ContainerError) -> [CgroupDirectory] {
        var busy: [CgroupDirectory] = []
        for group in groups where try !group.remove() { busy.append(group) }
        return busy
    }

    package func leftovers() throws(ContainerError) -> [String] {
        Set(hierarchies.flatMap { $0.children() }).sorted()
    }

    package func destroy() throws(ContainerError) {
        for name in try leftovers() { try remove(CgroupHandle(name)) }
        for parent in hierarchies where try !parent.remove() { throw stillBusy([parent]) }
    }

    private func requireExists(_ handle: CgroupHandle) throws(ContainerError) {
        guard hierarchies.first?[handle.name].exists == true else { throw gone(handle) }
    }
}

/// Makes a directory and those above it that are missing.
package func makeWithParents(_ directory: CgroupDirectory) throws(ContainerError) {
    guard !directory.exists, let slash = directory.path.lastIndex(of: "/") else { return }
    try makeWithParents(CgroupDirectory(path: String(directory.path[..<slash])))
    _ = try directory.make()
}

func gone(_ handle: CgroupHandle) -> ContainerError {
    ContainerError(.notFound, "container \(handle.name) has no control group; it was removed")
}

func stillBusy(_ groups: [CgroupDirectory]) -> ContainerError {
    let processes = Set(groups.flatMap { $0.processes() }).sorted()
    return ContainerError(
        .timedOut,
        "cannot remove control group \(groups.map(\.path).joined(separator: ", ")): "
            + (processes.isEmpty
                ? "the kernel says it is busy, but no process is in it" : "processes \(processes) in it do not end after KILL"))
}
