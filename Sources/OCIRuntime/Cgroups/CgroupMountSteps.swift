import ContainerCore

/// How a mount of type `cgroup` shows control groups inside: cgroup2 as it is; v1 as a directory of hierarchies.
struct CgroupMountSteps {
    let places: CgroupPlaces
    let namespaces: NamespacePlan

    func steps(_ target: String, _ options: MountOptions) -> [BundleStep] {
        let attributes = options.set
        if places.isUnified {
            guard let unified = places.unified else { return [] }
            if namespaces.has(.cgroup) { return [.mount(type: "cgroup2", target: target, data: [], attributes: attributes)] }
            return [
                .bind(source: unified.path, target: target, flags: 0),
                .change(target: target, set: attributes, clear: options.clear),
            ]
        }
        let readOnly: UInt64 = 0x1
        var steps: [BundleStep] = [
            .mount(
                type: "tmpfs", target: target, data: [("source", "tmpfs"), ("mode", "755")], attributes: attributes & ~readOnly)
        ]
        for hierarchy in places.hierarchies {
            let name = hierarchy.point.split(separator: "/").last.map(String.init) ?? ""
            let place = "\(target)/\(name)"
            if namespaces.has(.cgroup) {
                steps.append(
                    .mount(
                        type: hierarchy.isUnified ? "cgroup2" : "cgroup", target: place, data: Self.data(hierarchy),
                        attributes: attributes))
            } else {
                steps.append(.bind(source: places.directory(hierarchy).path, target: place, flags: 0))
                steps.append(.change(target: place, set: attributes, clear: options.clear))
            }
            for controller in hierarchy.controllers where hierarchy.controllers.count > 1 && controller != name {
                steps.append(.link(target: "\(target)/\(controller)", to: name))
            }
        }
        if attributes & readOnly != 0 { steps.append(.change(target: target, set: readOnly)) }
        return steps
    }

    /// What tells a v1 hierarchy apart: its controllers, or its name where it has none.
    private static func data(_ hierarchy: CgroupHierarchy) -> [(key: String, value: String)] {
        let named = hierarchy.controllers.first { $0.hasPrefix("name=") }
        if let named, hierarchy.controllers.count == 1 { return [("none", ""), ("name", String(named.dropFirst(5)))] }
        return hierarchy.controllers.filter { !$0.hasPrefix("name=") }.map { ($0, "") }
    }
}
