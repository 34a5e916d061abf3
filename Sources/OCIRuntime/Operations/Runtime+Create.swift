import ContainerCore
import FoundationEssentials
import Glibc
import LinuxShims

/// How to create a container.
package struct CreateRequest: Sendable {
    package var id: String
    package var bundle = "."
    package var configuration = "config.json"
    package var consoleSocket: String?
    package var pidFile: String?
    package var preserved = 0
    package var noPivot = false
    package var newKeyring = true

    package init(id: String) { self.id = id }
}

extension Runtime {
    package func create(_ request: CreateRequest) throws {
        let bundle = try Bundle(directory: request.bundle, file: request.configuration)
        _ = try create(request, bundle, console: try console(request, bundle))
    }

    private func console(_ request: CreateRequest, _ bundle: Bundle) throws -> Descriptor? {
        let wants = bundle.configuration.process?.terminal == true
        guard let path = request.consoleSocket, !path.isEmpty else {
            if wants { throw invalid("process.terminal is true: create and run --detach need --console-socket") }
            return nil
        }
        guard wants else { throw invalid("--console-socket \(path): process.terminal is not true") }
        return try Descriptor(sk_stream_connect(path), "connect to the console socket \(path)")
    }

    /// Everything up to the held process; what was made is removed when a step fails.
    func create(
        _ request: CreateRequest, _ bundle: Bundle, console: Descriptor?
    ) throws -> (container: StoredContainer, record: ContainerRecord) {
        let namespaces = try NamespacePlan(bundle.linux.namespaces ?? [])
        let cgroupPath =
            settings.withoutCgroups
            ? "" : try CgroupPlaces.path(bundle.linux.cgroupsPath, id: request.id, systemd: settings.systemdCgroup)
        let places = try CgroupPlaces(path: cgroupPath)
        var compiler = BundlePlan(bundle: bundle, namespaces: namespaces, places: places)
        compiler.noPivot = request.noPivot
        compiler.newKeyring = request.newKeyring
        let plan = try compiler.compile()
        let container = try settings.store.make(request.id)
        var record = ContainerRecord(
            ociVersion: bundle.configuration.ociVersion, id: request.id, bundle: bundle.directory, pid: 0, startTime: 0,
            created: Date.now.formatted(.iso8601), rootPath: bundle.rootPath, cgroupPath: cgroupPath,
            annotations: bundle.configuration.annotations ?? [:], mountsOnHost: !namespaces.makes(.mount), owner: getuid())
        let cgroup = settings.withoutCgroups ? nil : ContainerCgroup(places: places)
        var inner: InnerProcess?
        do {
            // First of all what has to be removed if this process is killed.
            try container.save(record)
            try container.save(configuration: bundle.text)
            try cgroup?.make()
            if let resources = bundle.linux.resources { try cgroup?.apply(resources) }
            var descriptors = InnerProcess.Descriptors()
            descriptors.hold = try container.makeFIFO(StateStore.hold)
            descriptors.status = try container.makeFIFO(StateStore.status)
            descriptors.console = console
            descriptors.preserved = request.preserved
            let made = try InnerProcess.start(
                plan: plan, namespaces: namespaces, initPath: settings.initPath, descriptors)
            inner = made
            (record.pid, record.startTime) = (made.pid, made.startTime)
            try settle(made, cgroup, bundle, record)
            try container.save(record)
            if let file = request.pidFile { try writePID(record.pid, to: file) }
            return (container, record)
        } catch {
            inner?.end()
            withdraw(container, record, cgroup, bundle)
            throw error
        }
    }

    /// Control groups, then hooks where the specification has them, until the process is held before its program.
    private func settle(
        _ inner: InnerProcess, _ cgroup: ContainerCgroup?, _ bundle: Bundle, _ record: ContainerRecord
    ) throws {
        if let score = bundle.configuration.process?.oomScoreAdj {
            try writeSmallFile("/proc/\(inner.pid)/oom_score_adj", String(score), "set process.oomScoreAdj to \(score)")
        }
        try cgroup?.join(pid: inner.pid)
        try inner.tellJoined()
        try inner.awaitHooks()
        // prestart is older than the distinction, and its hooks expect what runc has always said.
        let inside = try hookState(record, .created)
        try HookRunner(bundle: bundle, state: inside).run(bundle.configuration.hooks?.prestart, "prestart")
        try HookRunner(bundle: bundle, state: try hookState(record, .creating))
            .run(bundle.configuration.hooks?.createRuntime, "createRuntime")
        let file = try Descriptor(inside.withUnsafeBytes { sk_memory_file($0.baseAddress, $0.count) }, "keep the hooks' state")
        try inner.tellHooksRan(state: file)
        try inner.awaitHeld()
    }

    /// A container that came to nothing: as after `delete`, poststop hooks included.
    private func withdraw(
        _ container: StoredContainer, _ record: ContainerRecord, _ cgroup: ContainerCgroup?, _ bundle: Bundle
    ) {
        try? cgroup?.remove()
        unmountRoot(record)
        try? container.removeFiles()
        runPoststop(record, bundle)
    }

    /// Takes down what a container without mount namespace of its own left in the host's.
    func unmountRoot(_ record: ContainerRecord) {
        if record.mountsOnHost { umount2(record.rootPath, Int32(MNT_DETACH)) }
    }

    /// A failing hook is told about and hinders nothing.
    func runPoststop(_ record: ContainerRecord, _ bundle: Bundle?) {
        guard let bundle, let hooks = bundle.configuration.hooks?.poststop, !hooks.isEmpty,
            let state = try? hookState(record, .stopped)
        else { return }
        for hook in hooks {
            do { try HookRunner(bundle: bundle, state: state).run([hook], "poststop") } catch { RuntimeLog.warn("\(error)") }
        }
    }
}
