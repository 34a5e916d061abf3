package import ContainerCore
package import ImageStore
package import SidekickModel

/// What a replica's container is made from: the order and the image, put together as Docker does.
package enum ContainerPlan {
    /// Reads the image's user database; blocks on the disk.
    package static func configuration(
        _ assignment: Assignment, attempt: Int, image: UnpackedImage
    ) throws(AgentError) -> ContainerConfiguration {
        let spec = assignment.spec
        let found = try ImageUsers.find(image.configuration.user, layers: image.layers)
        let arguments = spec.command.isEmpty ? image.configuration.entrypoint + image.configuration.command : spec.command
        guard !arguments.isEmpty else {
            throw AgentError(.invalidConfiguration, "the image \(spec.image) says no program to run; give the spec a command")
        }
        var configuration = ContainerConfiguration(
            id: ReplicaContainer.id(assignment.replica, attempt: attempt), layers: image.layers, arguments: arguments)
        configuration.hostname = "\(assignment.replica)"
        configuration.user = found.user
        if !image.configuration.workingDirectory.isEmpty { configuration.workingDirectory = image.configuration.workingDirectory }
        configuration.environment = environment(
            [
                image.configuration.environment, spec.env.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" },
                [
                    "SIDEKICK_SERVICE=\(assignment.service)", "SIDEKICK_REPLICA=\(assignment.replica)",
                    "SIDEKICK_REVISION=\(assignment.revision)",
                ],
            ],
            defaults: configuration.environment + ["HOSTNAME=\(assignment.replica)", "HOME=\(found.home ?? "/")"])
        configuration.limits.cpuMillis = spec.resources.cpu?.count
        configuration.limits.memoryBytes = spec.resources.memory?.bytes
        configuration.limits.memoryAndSwapBytes = spec.resources.memory?.bytes
        configuration.limits.pids = Int64(spec.resources.pids)
        configuration.labels = ReplicaContainer.labels(assignment, attempt: attempt)
        return configuration
    }

    /// Later lists win over earlier ones; a default is used when no list sets its name.
    private static func environment(_ lists: [[String]], defaults: [String]) -> [String] {
        var order: [Substring] = []
        var values: [Substring: String] = [:]
        for entry in defaults + lists.joined() {
            guard let end = entry.firstIndex(of: "="), end > entry.startIndex else { continue }
            if values.updateValue(entry, forKey: entry[..<end]) == nil { order.append(entry[..<end]) }
        }
        return order.compactMap { values[$0] }
    }
}
