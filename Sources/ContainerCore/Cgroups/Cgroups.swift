/// Which kind of control groups this host has.
package enum Cgroups {
    /// The driver for this host; `parent` (such as `/sidekick-NAME`) is below the root of each hierarchy as this process sees it mounted,
    /// which inside a container is that container's own group.
    ///
    /// - Throws: `resourceMissing` when neither kind is mounted with what containers need.
    package static func detect(parent: String) throws(ContainerError) -> any CgroupDriver {
        guard let information = readSmallFile("/proc/thread-self/mountinfo") else {
            throw ContainerError(
                .resourceMissing, "cannot look for control groups: /proc/self/mountinfo is unreadable; mount /proc")
        }
        let mounts = CgroupMounts(mountInformation: information)
        if let unified = mounts.unified, mounts.controllers.isEmpty || hasControllers(unified) {
            return try CgroupV2Driver(root: unified, parent: parent)
        }
        guard mounts.controllers["freezer"] != nil else {
            throw ContainerError(
                .resourceMissing,
                "no control groups for containers: neither cgroup2 with controllers nor cgroup v1 with a freezer is mounted; "
                    + "mount cgroup2 at /sys/fs/cgroup")
        }
        return try CgroupV1Driver(mounts: mounts, parent: parent)
    }

    private static func hasControllers(_ unified: String) -> Bool {
        let names = (readSmallFile("\(unified)/cgroup.controllers") ?? "").split(whereSeparator: \.isWhitespace)
        return names.contains("memory") && names.contains("cpu") && names.contains("pids")
    }
}
