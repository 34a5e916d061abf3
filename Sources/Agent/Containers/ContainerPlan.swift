package import ContainerCore
package import ImageStore
package import SidekickModel

/// What a replica's container is made from: the order and the image, put together as Docker does.
package enum ContainerPlan {
    /// Reads the image's user database and makes named volumes; blocks on the disk.
    /// - Parameters:
    ///   - volumes: this host's.
    ///   - kept: directories of the host that no container may see.
    package static func configuration(
        _ assignment: Assignment, attempt: Int, image: UnpackedImage, volumes: ServiceVolumes, keeping kept: [String]
    ) throws(AgentError) -> ContainerConfiguration {
        let spec = assignment.spec
        var configuration = try process(
            id: ReplicaContainer.id(assignment.replica, attempt: attempt), hostname: "\(assignment.replica)", image: image,
            named: spec.image, command: spec.command,
            environment: spec.env.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" } + [
                "SIDEKICK_SERVICE=\(assignment.service)", "SIDEKICK_REPLICA=\(assignment.replica)",
                "SIDEKICK_REVISION=\(assignment.revision)",
            ])
        configuration.limits.cpuMillis = spec.resources.cpu?.count
        configuration.limits.memoryBytes = spec.resources.memory?.bytes
        configuration.limits.memoryAndSwapBytes = spec.resources.memory?.bytes
        configuration.limits.pids = Int64(spec.resources.pids)
        configuration.mounts = try VolumePlan.mounts(
            assignment, image: image, user: configuration.user, in: volumes, keeping: kept)
        configuration.labels = ReplicaContainer.labels(assignment, attempt: attempt)
        return configuration
    }

    /// A container of an image: its program, user, directory and variables, `command` and `environment` winning over the image's.
    /// Reads the image's user database; blocks on the disk.
    package static func process(
        id: String, hostname: String, image: UnpackedImage, named reference: String, command: [String], user: String? = nil,
        environment: [String]
    ) throws(AgentError) -> ContainerConfiguration {
        let found = try ImageUsers.find(user ?? image.configuration.user, layers: image.layers)
        let arguments = command.isEmpty ? image.configuration.entrypoint + image.configuration.command : command
        guard !arguments.isEmpty else {
            throw AgentError(.invalidConfiguration, "the image \(reference) says no program to run; give a command")
        }
        var configuration = ContainerConfiguration(id: id, layers: image.layers, arguments: arguments)
        configuration.hostname = hostname
        configuration.user = found.user
        if !image.configuration.workingDirectory.isEmpty { configuration.workingDirectory = image.configuration.workingDirectory }
        configuration.environment = merged(
            [image.configuration.environment, environment],
            defaults: configuration.environment + ["HOSTNAME=\(hostname)", "HOME=\(found.home ?? "/")"])
        return configuration
    }

    /// Later lists win over earlier ones; a default is used when no list sets its name.
    private static func merged(_ lists: [[String]], defaults: [String]) -> [String] {
        var order: [Substring] = []
        var values: [Substring: String] = [:]
        for entry in defaults + lists.joined() {
            guard let end = entry.firstIndex(of: "="), end > entry.startIndex else { continue }
            if values.updateValue(entry, forKey: entry[..<end]) == nil { order.append(entry[..<end]) }
        }
        return order.compactMap { values[$0] }
    }
}
