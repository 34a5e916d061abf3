import Glibc
import LinuxShims
import Synchronization

extension ContainerEngine {
    package func prepare(_ configuration: ContainerConfiguration) async throws(ContainerError) -> ContainerStatus {
        try configuration.check()
        cradles.enter()
        defer {
            cradles.leave()
            cradles.refill()
        }
        let container = Container(configuration)
        let isNew = containers.withLock { containers in
            guard containers[configuration.id] == nil else { return false }
            containers[configuration.id] = container
            return true
        }
        guard isNew else {
            throw ContainerError(.alreadyExists, "container \(configuration.id) exists already; remove it first")
        }
        do throws(ContainerError) {
            try await threads.run { [self] () throws(ContainerError) in try build(container) }
        } catch {
            containers.withLock { _ = $0.removeValue(forKey: configuration.id) }
            container.change { $0.phase = .exited }
            throw error
        }
        return try await status(configuration.id)
    }

    /// Everything up to the held process, on a thread that may wait; what was made is removed when a step fails.
    private func build(_ container: Container) throws(ContainerError) {
        let configuration = container.configuration
        let (cradle, isJoined) = try cradles.take(userNamespace: configuration.userNamespace)
        do throws(ContainerError) {
            let (told, address) = try build(container, in: cradle, isJoined: isJoined)
            container.change { state in
                state.cradle = cradle
                state.link = cradle.link
                state.startEvent = told.descriptor
                state.pid = told.message.pid
                state.address = address
                state.phase = .prepared
            }
            watch(container, cradle.link)
        } catch {
            // What the guard says failed is the cause of what failed here after it.
            let error = cradle.link.failure("prepare container \(configuration.id)") ?? error
            cradles.discard(cradle)
            try? network?.detach(configuration.id)
            if let left = try? directory.remove(configuration.id) { directory.empty(left) }
            throw error
        }
    }

    private func build(
        _ container: Container, in cradle: Cradle, isJoined: Bool
    ) throws(ContainerError) -> (told: (message: sk_message, descriptor: Descriptor?), address: String?) {
        let configuration = container.configuration, id = configuration.id
        let joining = isJoined ? nil : cradles.beginJoining(cradle)
        // Whatever fails below: nobody clears the cgroups away under a move.
        defer { try? joining?.wait() }
        let usesNetwork = configuration.network ? network : nil
        let address = try (usesNetwork == nil ? nil : detachments)?.reserve(id).address
        let state = try directory.make(id)
        step("directory made")
        let plan = try plan(configuration, firstID: cradle.firstID, address: address)
        let file = try Descriptor(plan.withUnsafeBytes { sk_memory_file($0.baseAddress, $0.count) }, "keep the launch plan")
        let counter = oomCounter(cradle.cgroup)
        try cradle.link.send(
            SK_ASK_PLAN, descriptors: [file.number, state.number] + (counter.map { [$0.number] } ?? []))
        step("plan sent")
        // Meanwhile the guard builds.
        if configuration.limits != ContainerLimits() { try cgroups.update(cradle.cgroup, limits: configuration.limits) }
        step("limits set")
        _ = try usesNetwork?.attach(id, to: .process(cradle.first), limits: configuration.limits)
        step("network attached")
        try joining?.wait()
        let told = try cradle.link.await([SK_TELL_STATE], within: 60_000, "prepare container \(id)")
        step("prepared")
        try directory.save(
            ContainerRecord(configuration: configuration, cradle: cradle.name, firstID: cradle.firstID, address: address))
        step("record saved")
        return (told, address)
    }

    private func plan(
        _ configuration: ContainerConfiguration, firstID: UInt32?, address: String?
    ) throws(ContainerError) -> [UInt8] {
        try LaunchPlan.compile(
            configuration,
            in: LaunchPlan.Surroundings(
                firstID: firstID,
                files: EtcFiles.make(configuration, address: address, nameServer: address == nil ? nil : nameServer),
                cgroups: CgroupView(cgroups.entry(CgroupHandle("any"))), seccomp: try seccompProgram(configuration),
                skeleton: directory.skeleton))
    }

    func seccompProgram(_ configuration: ContainerConfiguration) throws(ContainerError) -> [UInt64] {
        configuration.seccomp ? try seccomp.program(capabilities: configuration.capabilities) : []
    }

    /// The file in which the kernel counts the group's deaths for want of memory.
    private func oomCounter(_ group: CgroupHandle) -> Descriptor? {
        let files: [String]
        switch cgroups.entry(group) {
        case .clone(let directory): files = ["\(directory)/memory.events"]
        case .write(let entries): files = entries.map { $0.replacingSuffix("cgroup.procs", by: "memory.oom_control") }
        }
        for file in files {
            let number = open(file, O_RDONLY | O_CLOEXEC)
            if number >= 0 { return try? Descriptor(number, "open \(file)") }
        }
        return nil
    }
}

extension String {
    func replacingSuffix(_ suffix: String, by other: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) + other : self
    }
}

/// The files in /etc that belong to the container rather than to its image.
enum EtcFiles {
    static let paths = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]

    static func make(
        _ configuration: ContainerConfiguration, address: String?, nameServer: IPv4Address? = nil
    ) -> [(path: String, text: String)] {
        let hostname = configuration.hostname ?? String(configuration.id.prefix(64))
        var hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        if let address { hosts += "\(address)\t\(hostname)\n" }
        return [
            ("/etc/hostname", "\(hostname)\n"), ("/etc/hosts", hosts),
            ("/etc/resolv.conf", configuration.resolver ?? resolver(nameServer)),
        ]
    }

    /// The host's own, but for servers that only the host reaches; with the engine's name server that one alone, which is asked again soon
    /// since it may be starting anew.
    private static func resolver(_ nameServer: IPv4Address?) -> String {
        let lines = hostResolverText().split(separator: "\n")
        if let nameServer {
            let kept = lines.filter { $0.hasPrefix("search ") || $0.hasPrefix("options ") }.map { "\($0)\n" }.joined()
            return kept + "nameserver \(nameServer)\noptions timeout:1 attempts:5\n"
        }
        return lines.filter { !$0.hasPrefix("nameserver 127.") && !$0.hasPrefix("nameserver ::1") }.map { "\($0)\n" }.joined()
    }
}
