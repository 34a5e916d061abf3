import ContainerCore
import Glibc
import LinuxShims

/// Compiles a bundle into the launch plan that `sidekick-init bundle` carries out.
struct BundlePlan {
    let bundle: Bundle
    let namespaces: NamespacePlan
    let places: CgroupPlaces
    var noPivot = false
    var newKeyring = true

    private var configuration: BundleConfiguration { bundle.configuration }
    private var linux: LinuxSpecification { bundle.linux }

    func compile() throws -> [UInt8] {
        guard let process = configuration.process else { throw invalid("process is missing: there is no program to run") }
        var writer = PlanWriter()
        var record = Self.empty(writer)
        let seccomp = try linux.seccomp.map { try SeccompFilter($0) } ?? SeccompFilter()
        try ProcessPlan(
            process: process, seccomp: seccomp, home: HomeDirectory.find(process.user?.uid ?? 0, below: bundle.rootPath)
        )
        .write(&writer, &record)
        writer.head.flags |= UInt32(SK_PLAN_MAKE_DIRECTORY)
        try writeNames(&writer, &record)
        try writeUsers(&writer, &record)
        record.root = writer.string(bundle.rootPath)
        record.root_propagation = try Bundle.propagation(linux.rootfsPropagation)
        if noPivot { record.flags |= UInt32(SK_BUNDLE_NO_PIVOT) }
        if newKeyring { record.flags |= UInt32(SK_BUNDLE_NEW_KEYRING) }
        record.new_namespaces = namespaces.newFlags
        record.joined = writer.records(namespaces.joined.map { UInt32(truncatingIfNeeded: $0.kind.flag) })
        record.hooks = writer.records(hooks(&writer))
        if let personality = linux.personality { try write(personality, &record) }
        let steps = try RootSteps(bundle: bundle, namespaces: namespaces, cgroup: places).steps().map { $0.record(&writer) }
        writer.head.steps = writer.records(steps)
        writer.head.bundle = writer.records([record])
        return writer.finish()
    }

    /// A plan of a further process in a running container.
    static func compile(
        further process: ProcessSpecification, seccomp: SeccompFilter, home: String, joining namespaces: NamespacePlan
    ) throws -> [UInt8] {
        if process.execCPUAffinity != nil { throw invalid("process.execCPUAffinity: not supported; remove it") }
        var writer = PlanWriter()
        var record = empty(writer)
        record.flags = UInt32(SK_BUNDLE_FURTHER | SK_BUNDLE_NEW_KEYRING)
        try ProcessPlan(process: process, seccomp: seccomp, home: home).write(&writer, &record)
        if namespaces.joins(.user) { record.flags |= UInt32(SK_BUNDLE_BECOME_ROOT) }
        record.joined = writer.records(namespaces.joined.map { UInt32(truncatingIfNeeded: $0.kind.flag) })
        writer.head.bundle = writer.records([record])
        return writer.finish()
    }

    private static func empty(_ writer: PlanWriter) -> sk_bundle {
        var record = sk_bundle()
        for text in [
            \sk_bundle.root, \.domain_name, \.user_map, \.group_map, \.time_offsets, \.exec_label, \.exec_label_file,
        ] {
            record[keyPath: text] = writer.none
        }
        return record
    }

    private func writeNames(_ writer: inout PlanWriter, _ record: inout sk_bundle) throws {
        for (name, given) in [("hostname", configuration.hostname), ("domainname", configuration.domainname)] {
            guard let given, !given.isEmpty else { continue }
            guard namespaces.has(.uts) else {
                throw invalid("\(name) would rename the host: the container has no uts namespace of its own")
            }
        }
        if let domain = configuration.domainname, let other = linux.sysctl?["kernel.domainname"], domain != other {
            throw invalid("linux.sysctl: kernel.domainname is \(other), but domainname is \(domain)")
        }
        writer.head.hostname = writer.string(configuration.hostname ?? "")
        record.domain_name = writer.string(configuration.domainname ?? "")
        if let offsets = linux.timeOffsets, !offsets.isEmpty {
            guard namespaces.makes(.time) else { throw invalid("linux.timeOffsets needs a new time namespace") }
            let lines = offsets.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.secs ?? 0) \($0.value.nanosecs ?? 0)\n" }
            record.time_offsets = writer.string(lines.joined())
        }
    }

    private func writeUsers(_ writer: inout PlanWriter, _ record: inout sk_bundle) throws {
        let users = linux.uidMappings ?? [], groups = linux.gidMappings ?? []
        if namespaces.has(.user) { record.flags |= UInt32(SK_BUNDLE_BECOME_ROOT) }
        guard namespaces.makes(.user) else {
            guard users.isEmpty && groups.isEmpty || namespaces.joins(.user) || usesMappingsForMounts else {
                throw invalid("linux.uidMappings: the container has no new user namespace")
            }
            return
        }
        guard !users.isEmpty, !groups.isEmpty else {
            throw invalid("linux.uidMappings and linux.gidMappings must both map something in a new user namespace")
        }
        record.user_map = writer.string(NamespacePlan.map(users))
        record.group_map = writer.string(NamespacePlan.map(groups))
        if geteuid() != 0 { record.flags |= UInt32(SK_BUNDLE_DENY_GROUPS) }
    }

    private var usesMappingsForMounts: Bool {
        (configuration.mounts ?? []).contains { MountOptions($0.options ?? []).idmapped }
    }

    private func hooks(_ writer: inout PlanWriter) -> [sk_hook] {
        let points = [
            (SK_HOOK_CREATE_CONTAINER, configuration.hooks?.createContainer),
            (SK_HOOK_START_CONTAINER, configuration.hooks?.startContainer),
        ]
        return points.flatMap { point, hooks in
            (hooks ?? []).map { hook in
                sk_hook(
                    point: UInt32(point), timeout: hook.timeout ?? 0, path: writer.string(hook.path), unused: 0,
                    arguments: writer.strings(hook.args?.isEmpty == false ? hook.args ?? [] : [hook.path]),
                    environment: writer.strings(hook.env ?? ownEnvironment()))
            }
        }
    }

    private func write(_ personality: LinuxSpecification.Personality, _ record: inout sk_bundle) throws {
        guard personality.flags?.isEmpty != false else { throw invalid("linux.personality.flags: none are supported") }
        switch personality.domain {
        case "LINUX": record.personality = 0
        case "LINUX32": record.personality = 8
        case let other: throw invalid("linux.personality.domain: \(other) must be LINUX or LINUX32")
        }
        record.flags |= UInt32(SK_BUNDLE_PERSONALITY)
    }
}

/// The environment of this process as `NAME=value`.
func ownEnvironment() -> [String] {
    var texts: [String] = [], next = environ
    while let text = next.pointee {
        texts.append(String(cString: text))
        next += 1
    }
    return texts
}

/// Where a user's home is by the container's own /etc/passwd, which is looked at as untrusted.
enum HomeDirectory {
    static func find(_ uid: UInt32, below root: String) -> String {
        let fallback = uid == 0 ? "/root" : "/"
        let directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return fallback }
        defer { close(directory) }
        let file = sk_openat2(
            directory, "etc/passwd", UInt64(O_RDONLY | O_CLOEXEC | O_NONBLOCK), 0,
            UInt64(SK_RESOLVE_IN_ROOT | SK_RESOLVE_NO_MAGICLINKS))
        guard file >= 0 else { return fallback }
        defer { close(file) }
        for line in (readAll(file) ?? "").split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count >= 6, UInt32(fields[2]) == uid, !fields[5].isEmpty { return String(fields[5]) }
        }
        return fallback
    }
}
