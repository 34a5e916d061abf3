import ContainerCore
import Glibc

/// The control groups of one container: made, entered, frozen, emptied, removed. All of it blocks for as long as the kernel takes.
struct ContainerCgroup: Sendable {
    let places: CgroupPlaces

    /// Makes the groups in every hierarchy, with what a group needs before a process may be in it.
    func make() throws {
        for hierarchy in places.hierarchies {
            let directory = places.directory(hierarchy)
            if hierarchy.isUnified, places.isUnified { try enableControllers(from: hierarchy.point) }
            try makeWithParents(directory)
            if hierarchy.controllers.contains("cpuset") { try inheritCPUs(directory, down: hierarchy.point) }
        }
    }

    /// A v1 group has no processors and no memory until it is given some: its parent's.
    private func inheritCPUs(_ directory: CgroupDirectory, down root: String) throws {
        guard directory.path != root, let slash = directory.path.lastIndex(of: "/") else { return }
        let parent = CgroupDirectory(path: String(directory.path[..<slash]))
        for file in ["cpuset.cpus", "cpuset.mems"] where (directory.read(file) ?? "").trimmed.isEmpty {
            try inheritCPUs(parent, down: root)
            if let text = parent.read(file), !text.trimmed.isEmpty { try directory.write(file, String(text.trimmed)) }
        }
    }

    /// Passes every controller on from the root to the group's parent; one that a group may not pass on stays with it.
    private func enableControllers(from root: String) throws {
        var directory = CgroupDirectory(path: root)
        for name in places.path.split(separator: "/") {
            let has = (directory.read("cgroup.controllers") ?? "").split(whereSeparator: \.isWhitespace)
            let on = (directory.read("cgroup.subtree_control") ?? "").split(whereSeparator: \.isWhitespace)
            for controller in has where !on.contains(controller) {
                _ = writeKernelFile("\(directory.path)/cgroup.subtree_control", "+\(controller)")
            }
            directory = directory[String(name)]
            try makeWithParents(directory)
        }
    }

    func join(pid: Int32) throws {
        for directory in places.directories { try directory.write("cgroup.procs", String(pid)) }
    }

    /// Joins the group `below` this one wherever it exists, and this one elsewhere.
    func join(pid: Int32, below: String) throws {
        var found = false
        for directory in places.directories {
            let inner = directory[below]
            found = found || inner.exists
            try (inner.exists ? inner : directory).write("cgroup.procs", String(pid))
        }
        guard found else {
            throw ContainerError(.notFound, "control group \(places.path)/\(below) does not exist", cause: systemText(ENOENT))
        }
    }

    /// Processes in the groups and below.
    var processes: [Int32] {
        let directory = places.directory(of: "freezer") ?? places.directory(of: "pids") ?? places.directories.first
        return Set(directory?.processes() ?? []).sorted()
    }

    var isFrozen: Bool {
        if let group = v1Freezer { return group.read("freezer.state").map { $0.trimmed != "THAWED" } ?? false }
        return places.unified?.read("cgroup.freeze")?.trimmed == "1"
    }

    private var v1Freezer: CgroupDirectory? {
        places.hierarchies.first { $0.controllers.contains("freezer") }.map { places.directory($0) }
    }

    func freeze() throws {
        let isDone: Bool
        if let group = v1Freezer {
            isDone = try ask(milliseconds: 5000) { () throws(ContainerError) in
                try group.write("freezer.state", "FROZEN")
                return group.read("freezer.state")?.trimmed == "FROZEN"
            }
        } else if let group = places.unified {
            try group.write("cgroup.freeze", "1")
            isDone = try ask(milliseconds: 5000, event: "\(group.path)/cgroup.events") { () throws(ContainerError) in
                group.numbers("cgroup.events")["frozen"] == 1
            }
        } else {
            throw ContainerError(.resourceMissing, "cannot pause: this host has no freezer")
        }
        guard isDone else {
            try thaw()
            throw ContainerError(.timedOut, "cannot pause: a process waits in the kernel and did not freeze within 5 s")
        }
    }

    func thaw() throws {
        if let group = v1Freezer {
            try group.write("freezer.state", "THAWED")
        } else if let group = places.unified {
            try group.write("cgroup.freeze", "0")
        }
    }

    /// Sends a signal to every process; KILL reaches those forked meanwhile too.
    func signalAll(_ signal: Int32) throws {
        if signal == SIGKILL, let unified = places.unified, unified.has("cgroup.kill") {
            try unified.write("cgroup.kill", "1")
            if isFrozen { try thaw() }
        }
        for process in processes { kill(process, signal) }
    }

    /// Ends what is left in the groups and removes them. What is not there counts as removed.
    func remove() throws {
        var left = try notRemoved(places.directories)
        if !left.isEmpty {
            try signalAll(SIGKILL)
            if isFrozen { try thaw() }
            let isDone = try ask(milliseconds: 10_000) { () throws(ContainerError) in
                for process in left.flatMap({ $0.processes() }) { kill(process, SIGKILL) }
                left = try notRemoved(left)
                return left.isEmpty
            }
            guard isDone else {
                throw ContainerError(
                    .timedOut,
                    "cannot remove control group \(left.map(\.path).joined(separator: ", ")): processes in it do not end")
            }
        }
    }

    private func notRemoved(_ groups: [CgroupDirectory]) throws(ContainerError) -> [CgroupDirectory] {
        var busy: [CgroupDirectory] = []
        for group in groups where try !group.remove() { busy.append(group) }
        return busy
    }
}
