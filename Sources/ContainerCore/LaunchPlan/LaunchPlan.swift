import LinuxShims

/// Compiles a container's configuration into the flat plan that `sidekick-init` carries out. Every choice is made here.
enum LaunchPlan {
    /// What the engine knows of the container beyond its configuration.
    struct Surroundings {
        /// First host id of the container's user namespace; nil without one.
        var firstID: UInt32?
        /// Files made for this container, by path inside.
        var files: [(path: String, text: String)]
        /// What the host has of control groups, as far as programs look for their limits in them.
        var cgroups: CgroupView
        /// BPF instructions, eight bytes each; empty for none.
        var seccomp: [UInt64]
        /// A host directory below all layers; nil for none.
        var skeleton: String?
    }

    /// Names below the container's state directory.
    static let upper = "upper"
    static let work = "work"

    static func compile(
        _ configuration: ContainerConfiguration, in surroundings: Surroundings
    ) throws(ContainerError) -> [UInt8] {
        var writer = PlanWriter()
        try writeProgram(
            configuration, arguments: configuration.arguments, seccomp: surroundings.seccomp,
            terminal: configuration.terminal == true, &writer)
        writer.head.flags |= UInt32(SK_PLAN_INIT)
        if configuration.terminal != true {
            // Where nobody types, the exec, most of a start's time, is done beforehand.
            writer.head.flags |= UInt32(configuration.openInput == true ? SK_PLAN_INPUT : SK_PLAN_HOLD_AFTER_EXEC)
        }
        if let first = surroundings.firstID {
            writer.head.flags |= UInt32(SK_PLAN_IDMAP)
            writer.head.first_id = first
            writer.head.stdio_owner = first + configuration.user.uid
            writer.head.stdio_group = first + configuration.user.gid
        } else {
            writer.head.stdio_owner = configuration.user.uid
            writer.head.stdio_group = configuration.user.gid
        }
        writer.head.hostname = writer.string(configuration.hostname ?? String(configuration.id.prefix(64)))
        writer.head.upper = writer.string(upper)
        writer.head.work = writer.string(work)
        writer.head.layers = writer.strings(configuration.layers + (surroundings.skeleton.map { [$0] } ?? []))
        let steps = steps(configuration, in: surroundings)
        let records = steps.map { record($0, &writer) }
        writer.head.steps = writer.records(records)
        writer.head.log_bytes = UInt64(max(configuration.log.maximumBytes, 4096))
        writer.head.log_files = UInt32(clamping: max(configuration.log.maximumFiles, 1))
        return writer.finish()
    }

    /// The plan of what every container's root holds beside its image; it runs nothing.
    static func compileScaffold(userNamespace: Bool) -> [UInt8] {
        var writer = PlanWriter()
        for list in [\PlanWriter.head.programs, \PlanWriter.head.arguments] { writer[keyPath: list] = writer.strings(["-"]) }
        for text in [\PlanWriter.head.directory, \.head.hostname, \.head.upper, \.head.work] {
            writer[keyPath: text] = writer.none
        }
        let records = StandardRoot.scaffold(userNamespace: userNamespace).map { record($0, &writer) }
        writer.head.steps = writer.records(records)
        return writer.finish()
    }

    /// The plan of a further process in a running container: who it is and what it runs, nothing of the root.
    static func compile(
        further arguments: [String], in configuration: ContainerConfiguration, seccomp: [UInt64], terminal: Bool = false
    ) throws(ContainerError) -> [UInt8] {
        var writer = PlanWriter()
        try writeProgram(configuration, arguments: arguments, seccomp: seccomp, terminal: terminal, &writer)
        writer.head.hostname = writer.none
        writer.head.upper = writer.none
        writer.head.work = writer.none
        return writer.finish()
    }

    private static func writeProgram(
        _ configuration: ContainerConfiguration, arguments: [String], seccomp: [UInt64], terminal: Bool,
        _ writer: inout PlanWriter
    ) throws(ContainerError) {
        let user = configuration.user
        writer.head.uid = user.uid
        writer.head.gid = user.gid
        writer.head.umask = 0o022
        let capabilities = try Capability.mask(configuration.capabilities)
        writer.head.bounding = capabilities
        // As after an exec: root has the whole set, others none.
        writer.head.permitted = user.uid == 0 ? capabilities : 0
        writer.head.effective = writer.head.permitted
        writer.head.flags = UInt32(SK_PLAN_MAKE_DIRECTORY) | (configuration.noNewPrivileges ? UInt32(SK_PLAN_NO_NEW_PRIVS) : 0)
        if terminal { writer.head.flags |= UInt32(SK_PLAN_TERMINAL) }
        writer.head.directory = writer.string(configuration.workingDirectory)
        writer.head.programs = writer.strings(programs(arguments[0], configuration.environment))
        writer.head.arguments = writer.strings(arguments)
        var environment = configuration.environment
        if !environment.contains(where: { $0.hasPrefix("HOME=") }) { environment.append(user.uid == 0 ? "HOME=/root" : "HOME=/") }
        if terminal, !environment.contains(where: { $0.hasPrefix("TERM=") }) { environment.append("TERM=xterm") }
        writer.head.environment = writer.strings(environment)
        writer.head.groups = writer.records([user.gid] + user.additionalGroups)
        writer.head.limits = writer.records(try ResourceName.records(configuration.resourceLimits ?? [:]))
        writer.head.oom_score = configuration.outOfMemoryScore ?? 0
        writer.head.seccomp = writer.records(seccomp)
    }

    /// Where execvp(3) would look.
    private static func programs(_ name: String, _ environment: [String]) -> [String] {
        if name.contains("/") { return [name] }
        let path =
            environment.first { $0.hasPrefix("PATH=") }.map { $0.dropFirst(5) }
            ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }
    }

    static func steps(_ configuration: ContainerConfiguration, in surroundings: Surroundings) -> [PlanStep] {
        let mapped = surroundings.firstID != nil
        let groups = StandardRoot.steps(cgroups: surroundings.cgroups)
        // Last, since they wait until the process is in its control groups; but before what is to cover them.
        let areCovered = configuration.mounts.contains { $0.target.hasPrefix("/sys") }
        var steps = StandardRoot.moves + (areCovered ? groups : [])
        for (name, text) in (configuration.kernelSettings ?? [:]).sorted(by: { $0.key < $1.key }) {
            steps.append(.setting(path: KernelSetting.path(name), text: text))
        }
        steps += surroundings.files.map { .file(text: $0.text, target: $0.path) }
        for mount in configuration.mounts {
            let readOnly: MountAttributes = mount.readOnly ? .readOnly : []
            switch mount.kind {
            case .bind:
                steps.append(
                    .bind(
                        source: mount.source, target: mount.target, readOnly.union([.noSetUserID, .noDevices]), recursive: true,
                        idmapped: mapped, refusesLinks: mount.refusesLinks ?? false))
            case .tmpfs:
                let size = mount.size.map { [("size", String($0))] } ?? []
                steps.append(
                    .mount(
                        type: "tmpfs", target: mount.target, options: [("mode", "1777")] + size,
                        readOnly.union([.noSetUserID, .noDevices])))
            }
        }
        if !areCovered { steps += groups }
        if configuration.readOnlyRoot { steps.append(.rootReadOnly) }
        return steps
    }

    private static func record(_ step: PlanStep, _ writer: inout PlanWriter) -> sk_step {
        var record = sk_step()
        record.source = writer.none
        record.target = writer.none
        record.options = sk_list(offset: writer.none, count: 0)
        switch step {
        case .mount(let type, let target, let options, let attributes):
            record.kind = UInt32(SK_STEP_MOUNT)
            record.source = writer.string(type)
            record.target = writer.string(target)
            record.options = writer.strings(options.flatMap { [$0.0, $0.1] })
            record.attributes = attributes.rawValue
        case .bind(let source, let target, let attributes, let recursive, let idmapped, let refusesLinks):
            record.kind = UInt32(SK_STEP_BIND)
            record.source = writer.string(source)
            record.target = writer.string(target)
            record.attributes = attributes.rawValue
            record.flags =
                (recursive ? UInt32(SK_BIND_RECURSIVE) : 0) | (idmapped ? UInt32(SK_BIND_IDMAP) : 0)
                | (refusesLinks ? UInt32(SK_BIND_NO_LINKS) : 0)
        case .device(let source, let target, let number):
            record.kind = UInt32(SK_STEP_DEVICE)
            record.source = writer.string(source)
            record.target = writer.string(target)
            record.value = number
        case .node(let target, let number):
            record.kind = UInt32(SK_STEP_NODE)
            record.target = writer.string(target)
            record.value = number
        case .link(let target, let to):
            record.kind = UInt32(SK_STEP_LINK)
            record.target = writer.string(target)
            record.source = writer.string(to)
        case .mask(let target):
            record.kind = UInt32(SK_STEP_MASK)
            record.target = writer.string(target)
        case .readOnly(let target):
            record.kind = UInt32(SK_STEP_READ_ONLY)
            record.target = writer.string(target)
        case .directory(let target):
            record.kind = UInt32(SK_STEP_DIRECTORY)
            record.target = writer.string(target)
        case .write(let text, let to):
            record.kind = UInt32(SK_STEP_WRITE)
            record.source = writer.string(text)
            record.target = writer.string(to)
        case .move(let path):
            record.kind = UInt32(SK_STEP_MOVE)
            record.source = writer.string(path)
            record.target = record.source
        case .setting(let path, let text):
            record.kind = UInt32(SK_STEP_SETTING)
            record.source = writer.string(text)
            record.target = writer.string(path)
        case .file(let text, let target):
            record.kind = UInt32(SK_STEP_FILE)
            record.source = writer.string(text)
            record.target = writer.string(target)
        case .cgroups: record.kind = UInt32(SK_STEP_CGROUPS)
        case .rootReadOnly: record.kind = UInt32(SK_STEP_ROOT_READ_ONLY)
        }
        return record
    }
}
