import Glibc

extension EngineConfiguration {
    func check() throws(ContainerError) {
        let isName = !name.isEmpty && name.utf8.count <= 8 && name.utf8.allSatisfy { isLowercaseOrDigit($0) }
        guard isName else {
            throw ContainerError(.invalidConfiguration, "engine name \"\(name)\" must be 1 to 8 of a-z and 0-9")
        }
        for path in [stateDirectory, runDirectory, initPath] where !path.hasPrefix("/") {
            throw ContainerError(.invalidConfiguration, "engine \(name): \"\(path)\" must be an absolute path")
        }
        if let mtu, !(1280...65_535).contains(mtu) {
            throw ContainerError(.invalidConfiguration, "engine \(name): mtu \(mtu) is not between 1280 and 65535")
        }
    }
}

private func isLowercaseOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || isDigit(byte)
}

private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

extension ContainerConfiguration {
    /// Refuses what could not become a launch plan, naming the field.
    func check() throws(ContainerError) {
        let extra: [UInt8] = [UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-")]
        let letters = UInt8(ascii: "A")...UInt8(ascii: "Z")
        let isPlain = { (byte: UInt8) in isLowercaseOrDigit(byte) || letters.contains(byte) }
        let isID =
            id.utf8.count <= 64 && id.utf8.first.map(isPlain) == true && id.utf8.allSatisfy { isPlain($0) || extra.contains($0) }
        guard isID else {
            throw refuse("id must be 1 to 64 of a-z A-Z 0-9 _ . - and begin with a letter or digit")
        }
        guard !layers.isEmpty else { throw refuse("it needs one layer at least") }
        guard layers.count <= 500 else { throw refuse("it has \(layers.count) layers; the kernel stacks at most 500") }
        guard let program = arguments.first, !program.isEmpty else { throw refuse("arguments must begin with a program") }
        let texts =
            arguments + environment + layers + mounts.flatMap { [$0.source, $0.target] } + [workingDirectory, hostname ?? ""]
        guard !texts.contains(where: { $0.utf8.contains(0) }) else { throw refuse("no text of it may hold a NUL") }
        guard workingDirectory.hasPrefix("/") else { throw refuse("workingDirectory \"\(workingDirectory)\" must be absolute") }
        if let hostname, hostname.utf8.count > 64 { throw refuse("hostname \"\(hostname)\" is longer than 64") }
        for path in layers where !path.hasPrefix("/") { throw refuse("layer \"\(path)\" must be an absolute path") }
        for mount in mounts {
            guard mount.target.hasPrefix("/"), mount.target != "/" else {
                throw refuse("mount target \"\(mount.target)\" must be an absolute path below /")
            }
            if mount.kind == .bind, !mount.source.hasPrefix("/") {
                throw refuse("mount source \"\(mount.source)\" must be an absolute path")
            }
        }
        guard mounts.filter({ $0.kind == .bind }).count <= 48 else { throw refuse("it has more than 48 binds") }
        if userNamespace, user.uid >= IDRanges.size || user.gid >= IDRanges.size {
            throw refuse("user \(user.uid):\(user.gid) is beyond the 65,536 ids of its user namespace")
        }
        _ = try Capability.mask(capabilities)
        _ = try ResourceName.records(resourceLimits ?? [:])
        for (name, text) in kernelSettings ?? [:] {
            guard KernelSetting.isNamespaced(name) else {
                throw refuse("kernel setting \(name) is not one of a container's own namespaces")
            }
            guard !text.isEmpty, !text.utf8.contains(0) else { throw refuse("kernel setting \(name) has no value") }
        }
        if let score = outOfMemoryScore, !(-1000...1000).contains(score) {
            throw refuse("outOfMemoryScore \(score) is not between -1000 and 1000")
        }
        if resolver?.utf8.contains(0) == true { throw refuse("resolver may hold no NUL") }
    }

    private func refuse(_ why: String) -> ContainerError {
        ContainerError(.invalidConfiguration, "container \"\(id)\": \(why)")
    }
}
