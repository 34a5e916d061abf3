import ContainerCore
import Glibc
import LinuxShims

/// How to run a further process in a container.
package struct ExecRequest: Sendable {
    package var id: String
    package var process: ProcessSpecification
    package var consoleSocket: String?
    package var pidFile: String?
    package var preserved = 0
    package var detach = false
    /// Below the container's group.
    package var cgroup: String?

    package init(id: String, process: ProcessSpecification) {
        self.id = id
        self.process = process
    }
}

extension Runtime {
    /// The process of the bundle, without its program: what a further one is like unless told otherwise.
    package func processTemplate(_ id: String) throws -> ProcessSpecification {
        let (container, record, _) = try open(id)
        guard var process = try container.configuration(record).configuration.process else {
            throw invalid("container \(id) has no process to take settings from; give --process")
        }
        process.args = nil
        process.terminal = false
        process.consoleSize = nil
        return process
    }

    /// The process's exit code, 0 as soon as it runs when detached.
    package func exec(_ request: ExecRequest) throws -> Int32 {
        let (container, record, status) = try open(request.id)
        guard status == .running || status == .created else {
            throw ContainerError(
                .wrongState, "cannot run a process in container \(request.id): it is \(status.rawValue), and must be running")
        }
        let bundle = try container.configuration(record)
        let namespaces = try NamespacePlan(ofProcess: record.pid)
        let seccomp = try bundle.linux.seccomp.map { try SeccompFilter($0) } ?? SeccompFilter()
        let home = HomeDirectory.find(request.process.user?.uid ?? 0, below: "/proc/\(record.pid)/root")
        let plan = try BundlePlan.compile(further: request.process, seccomp: seccomp, home: home, joining: namespaces)
        let wantsTerminal = request.process.terminal == true
        let relay = wantsTerminal && request.consoleSocket == nil ? try TerminalRelay() : nil
        if wantsTerminal, relay != nil, request.detach { throw invalid("--detach with a terminal needs --console-socket") }
        var descriptors = InnerProcess.Descriptors()
        descriptors.preserved = request.preserved
        if wantsTerminal {
            descriptors.console =
                try relay?.theirs
                ?? Descriptor(
                    sk_stream_connect(request.consoleSocket ?? ""), "connect to the console socket \(request.consoleSocket ?? "")"
                )
        }
        // The number is the container's only if its process still lives now that everything of it was looked at.
        guard ProcessTable.isAlive(record.pid, since: record.startTime) else {
            throw ContainerError(.wrongState, "container \(request.id) is not running")
        }
        let inner = try InnerProcess.start(plan: plan, namespaces: namespaces, initPath: settings.initPath, descriptors)
        do {
            if let score = request.process.oomScoreAdj {
                try writeSmallFile("/proc/\(inner.pid)/oom_score_adj", String(score), "set process.oomScoreAdj to \(score)")
            }
            try join(inner, record, request.cgroup)
            try inner.tellJoined()
            try inner.awaitExec()
            if let file = request.pidFile { try writePID(inner.pid, to: file) }
        } catch {
            inner.end()
            throw error
        }
        return request.detach ? 0 : try Foreground.wait(inner.pid, relay)
    }

    private func join(_ inner: InnerProcess, _ record: ContainerRecord, _ below: String?) throws {
        guard let cgroup = try cgroup(record) else { return }
        guard let below, !below.isEmpty, below != "/" else {
            do { return try cgroup.join(pid: inner.pid) } catch {
                // A v2 group that passes controllers on takes no processes itself: its first process says where they are.
                guard cgroup.places.isUnified, let own = CgroupPlaces.ofProcess(record.pid) else { throw error }
                return try writeSmallFile(
                    "\(cgroup.places.hierarchies[0].point)\(own)/cgroup.procs", String(inner.pid), "join control group \(own)")
            }
        }
        guard !below.split(separator: "/").contains("..") else {
            throw invalid("--cgroup=\(below): `..` components are not allowed")
        }
        try cgroup.join(pid: inner.pid, below: below)
    }
}
