import ContainerCore

/// One mounted hierarchy of control groups.
struct CgroupHierarchy: Hashable, Sendable {
    /// Where it is mounted.
    var point: String
    /// Controllers of a v1 hierarchy as its mount names them, `name=systemd` for one without; empty for cgroup2.
    var controllers: [String]

    var isUnified: Bool { controllers.isEmpty }

    /// Those of this host by `/proc/self/mountinfo` (proc_pid_mountinfo(5)), each once, cgroup2 last.
    static func all(mountInformation: String) -> [CgroupHierarchy] {
        var found: [CgroupHierarchy] = []
        for line in mountInformation.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { continue }
            let point = String(fields[4])
            switch fields[dash + 1] {
            case "cgroup2": found.append(CgroupHierarchy(point: point, controllers: []))
            case "cgroup":
                let options = fields[dash + 3].split(separator: ",").map(String.init)
                let controllers = options.filter { $0 == "name=systemd" || $0.hasPrefix("name=") || Self.known.contains($0) }
                if !controllers.isEmpty { found.append(CgroupHierarchy(point: point, controllers: controllers)) }
            default: continue
            }
        }
        var kept: [CgroupHierarchy] = []
        for hierarchy in found where !kept.contains(where: { $0.controllers == hierarchy.controllers }) { kept.append(hierarchy) }
        return kept.filter { !$0.isUnified } + kept.filter(\.isUnified)
    }

    private static let known: Set<String> = [
        "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "misc", "net_cls", "net_prio",
        "perf_event",
        "pids", "rdma",
    ]
}

/// One container's groups: the same path in every hierarchy.
struct CgroupPlaces: Sendable {
    let hierarchies: [CgroupHierarchy]
    /// Below each hierarchy's root, beginning with `/`.
    let path: String

    init(path: String) throws {
        guard let information = readSmallFile("/proc/thread-self/mountinfo") else {
            throw ContainerError(
                .resourceMissing, "cannot look for control groups: /proc/self/mountinfo is unreadable; mount /proc")
        }
        hierarchies = CgroupHierarchy.all(mountInformation: information)
        self.path = path
    }

    /// Whether cgroup2 is all there is.
    var isUnified: Bool { !hierarchies.isEmpty && hierarchies.allSatisfy(\.isUnified) }

    func directory(_ hierarchy: CgroupHierarchy) -> CgroupDirectory { CgroupDirectory(path: hierarchy.point + path) }

    /// The group under a v1 controller; with cgroup2 alone, the one group whatever the controller.
    func directory(of controller: String) -> CgroupDirectory? {
        hierarchies.first { $0.controllers.contains(controller) || isUnified }.map { directory($0) }
    }

    var unified: CgroupDirectory? { hierarchies.last.flatMap { $0.isUnified ? directory($0) : nil } }

    var directories: [CgroupDirectory] { hierarchies.map { directory($0) } }

    /// The cgroup v2 path of a process, nil where there is none.
    static func ofProcess(_ pid: Int32) -> String? {
        (readSmallFile("/proc/\(pid)/cgroup") ?? "").split(separator: "\n").first { $0.hasPrefix("0::") }.map {
            String($0.dropFirst(3))
        }
    }

    /// The path that `cgroupsPath` of a bundle means. `slice:prefix:name`, which is for systemd, becomes the path systemd would use.
    static func path(_ given: String?, id: String, systemd: Bool) throws -> String {
        guard let given, !given.isEmpty else { return "/sidekick-runtime-\(id)" }
        guard !given.split(whereSeparator: { $0 == "/" || $0 == ":" }).contains("..") else {
            throw invalid("linux.cgroupsPath: \(given) must not hold ..")
        }
        let parts = given.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 3, systemd || !given.hasPrefix("/") {
            let slice = parts[0].isEmpty ? "system.slice" : parts[0]
            return sliceParents(slice) + "/" + (parts[1].isEmpty ? parts[2] : "\(parts[1])-\(parts[2]).scope")
        }
        let plain = "/" + given.split(separator: "/").joined(separator: "/")
        return plain == "/" ? "/sidekick-runtime-\(id)" : plain
    }

    /// `a-b.slice` lies in `a.slice` (systemd.slice(5)).
    private static func sliceParents(_ slice: String) -> String {
        guard slice.hasSuffix(".slice"), slice != "-.slice" else { return slice == "-.slice" ? "" : "/" + slice }
        var path = "", name = ""
        for part in slice.dropLast(6).split(separator: "-") {
            name += name.isEmpty ? part : "-\(part)"
            path += "/\(name).slice"
        }
        return path
    }
}
