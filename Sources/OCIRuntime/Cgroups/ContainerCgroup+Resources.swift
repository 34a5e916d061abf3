import ContainerCore
import Glibc
import LinuxShims

extension ContainerCgroup {
    /// Sets what the resources name and leaves the rest.
    func apply(_ resources: Resources) throws {
        if let memory = resources.memory { try check(memory) }
        let settings = try ResourceSettings(resources, unified: places.isUnified) { controller, file in
            places.directory(of: controller)?.read(file)
        }
        for setting in settings.settings {
            guard let directory = places.directory(of: setting.controller) else {
                throw ContainerError(
                    .resourceMissing, "cannot set \(setting.file): this host has no \(setting.controller) controller")
            }
            guard directory.has(setting.file) else {
                throw ContainerError(
                    .resourceMissing, "cannot set \(setting.file): control group \(directory.path) has no such file",
                    cause: systemText(ENOENT))
            }
            try directory.write(setting.file, setting.text)
        }
        if !settings.devices.isEmpty { try limitDevices(settings.devices) }
    }

    private func check(_ memory: Resources.Memory) throws {
        if memory.kernel ?? 0 > 0 {
            RuntimeLog.warn(
                "linux.resources.memory.kernel: the kernel has no such limit any more; memory.limit counts its memory too")
        }
        guard memory.checkBeforeUpdate == true, let limit = memory.limit, limit > 0,
            let directory = places.directory(of: "memory")
        else { return }
        let used = directory.number(places.isUnified ? "memory.current" : "memory.usage_in_bytes")
        guard used <= limit else {
            throw invalid(
                "linux.resources.memory.limit: \(limit) is below the \(used) bytes in use, and checkBeforeUpdate is true")
        }
    }

    private func limitDevices(_ rules: [sk_device_rule]) throws {
        guard !places.isUnified else {
            guard let group = places.unified else { return }
            let directory = try Descriptor.directory(group.path)
            let result = sk_cgroup_filter_devices(directory.number, rules, rules.count)
            guard result == 0 else {
                throw ContainerError(
                    .kernelRefused, "cannot limit device access of control group \(group.path)",
                    cause: "bpf: \(systemText(-result))")
            }
            return
        }
        guard let group = places.directory(of: "devices") else {
            throw ContainerError(.resourceMissing, "cannot limit device access: this host has no devices controller")
        }
        for rule in rules { try group.write(rule.allow == 1 ? "devices.allow" : "devices.deny", DeviceAccess.line(rule)) }
    }
}
