import ContainerCore
import Glibc
import LinuxShims

/// What a symbolic link on the host says; nil when it is none.
private func linkText(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = readlink(path, &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
}

/// The steps that build a bundle's root: its mounts in order, devices, then hooks, and at last what hides and protects.
struct RootSteps {
    let bundle: Bundle
    let namespaces: NamespacePlan
    let cgroup: CgroupPlaces

    private var linux: LinuxSpecification { bundle.linux }

    func steps() throws -> [BundleStep] {
        var steps = try Sysctl.steps(linux.sysctl ?? [:], namespaces)
        var isInCgroups = false
        for mount in bundle.configuration.mounts ?? [] {
            if mount.type == "cgroup" || mount.type == "cgroup2", !isInCgroups, namespaces.makes(.cgroup) {
                steps.append(.cgroups)
                isInCgroups = true
            }
            steps += try self.steps(of: mount)
        }
        if !isInCgroups, namespaces.makes(.cgroup) { steps.append(.cgroups) }
        steps += try devices()
        steps.append(.hooks)
        // Before nothing can be made any more.
        if let directory = bundle.configuration.process?.cwd, directory != "/" { steps.append(.directory(directory)) }
        steps += (linux.readonlyPaths ?? []).map { .readOnly($0) }
        steps += (linux.maskedPaths ?? []).map { .mask($0) }
        if bundle.configuration.root?.readonly == true { steps.append(.rootReadOnly) }
        return steps
    }

    private func steps(of mount: BundleConfiguration.Mount) throws -> [BundleStep] {
        let options = MountOptions(mount.options ?? [])
        guard mount.destination.hasPrefix("/") || !mount.destination.isEmpty else {
            throw invalid("mounts: a destination is empty; it must be a path inside the container")
        }
        let target = mount.destination.hasPrefix("/") ? mount.destination : "/" + mount.destination
        if options.remount { return changes(target, options, whole: true) }
        if options.bind || mount.type == "bind" || mount.type == "none" && options.bind {
            return try bind(mount, target, options)
        }
        switch mount.type ?? "" {
        case "": throw invalid("mounts: \(target) has neither a type nor the option bind")
        case "cgroup", "cgroup2": return CgroupMountSteps(places: cgroup, namespaces: namespaces).steps(target, options)
        case let type: return new(type, mount, target, options)
        }
    }

    private func new(
        _ type: String, _ mount: BundleConfiguration.Mount, _ target: String, _ options: MountOptions
    ) -> [BundleStep] {
        var data = options.data
        // devpts has been one instance a mount since Linux 4.7.
        if type == "devpts" { data.removeAll { $0.key == "newinstance" } }
        if let label = linux.mountLabel, !label.isEmpty, ["tmpfs", "devpts"].contains(type), SecurityModule.hasSELinux {
            data.append(("context", label))
        }
        if let source = mount.source, !source.isEmpty { data.insert(("source", source), at: 0) }
        var flags = 0
        if type == "tmpfs" {
            if options.copyUp { flags |= SK_MOUNT_COPY_UP }
            if !data.contains(where: { $0.key == "mode" }) { flags |= SK_MOUNT_KEEP_MODE }
        }
        return [.mount(type: type, target: target, data: data, attributes: options.set, flags: flags)]
            + changes(target, options, whole: false)
    }

    private func bind(
        _ mount: BundleConfiguration.Mount, _ target: String, _ options: MountOptions
    ) throws -> [BundleStep] {
        guard let given = mount.source, !given.isEmpty else { throw invalid("mounts: \(target): a bind has no source") }
        // Options for a file system are nothing to a bind, here as in mount(2), and callers give them.
        let source = bundle.hostPath(given)
        if options.copiesLink, let text = linkText(source) { return [.link(target: target, to: text)] }
        var flags = options.recursive ? SK_BIND_RECURSIVE : 0
        if options.propagation == 1 << 19 { flags |= SK_BIND_SLAVE }
        if options.propagation == 1 << 20 { flags |= SK_BIND_PEER }
        if !options.followsSource { flags |= SK_BIND_NO_FOLLOW }
        var maps: (user: String, group: String)?
        if options.idmapped || mount.uidMappings?.isEmpty == false || mount.gidMappings?.isEmpty == false {
            maps = try mappings(mount, target)
            flags |= SK_BIND_MAPPED
        }
        return [.bind(source: source, target: target, flags: flags, maps: maps)] + changes(target, options, whole: true)
    }

    private func mappings(_ mount: BundleConfiguration.Mount, _ target: String) throws -> (user: String, group: String) {
        let users = mount.uidMappings ?? linux.uidMappings ?? [], groups = mount.gidMappings ?? linux.gidMappings ?? []
        guard !users.isEmpty, !groups.isEmpty else {
            throw invalid("mounts: \(target): idmap needs uidMappings and gidMappings of the mount or of linux")
        }
        return (NamespacePlan.map(users), NamespacePlan.map(groups))
    }

    /// What changes a mount that is there: its attributes when `whole`, those below it, and how it spreads.
    private func changes(_ target: String, _ options: MountOptions, whole: Bool) -> [BundleStep] {
        var steps: [BundleStep] = []
        if whole, options.set | options.clear != 0 {
            steps.append(.change(target: target, set: options.set, clear: options.clear))
        }
        if options.setBelow | options.clearBelow != 0 {
            steps.append(
                .change(
                    target: target, set: options.setBelow, clear: options.clearBelow, flags: UInt32(SK_CHANGE_RECURSIVE)))
        }
        if options.propagation != 0 {
            let below = options.propagationBelow ? UInt32(SK_CHANGE_SPREAD_RECURSIVE) : 0
            steps.append(.change(target: target, flags: options.propagation | below))
        }
        return steps
    }

    private func devices() throws -> [BundleStep] {
        // A /dev that is the host's own is left as it is.
        let hasHostDev = (bundle.configuration.mounts ?? []).contains { mount in
            mount.destination == "/dev" && (mount.type == "bind" || MountOptions(mount.options ?? []).bind)
        }
        if hasHostDev { return [] }
        let named = Set((linux.devices ?? []).map(\.path))
        var steps = DeviceSteps.standard.filter { !named.contains($0.path) }.map {
            DeviceSteps.step($0, users)
        }
        for device in linux.devices ?? [] {
            steps.append(DeviceSteps.step(try DeviceSteps.node(device), users))
        }
        steps += DeviceSteps.links.map { .link(target: $0, to: $1) }
        if bundle.configuration.process?.terminal == true { steps.append(.console) }
        return steps
    }

    private var users: UserMapping? {
        namespaces.has(.user) ? UserMapping(users: linux.uidMappings ?? [], groups: linux.gidMappings ?? []) : nil
    }
}
