import ArgumentParser
import ControlAPI
import SidekickModel

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List services with their replicas and load.", aliases: ["get", "ls"])

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let services = try await connection.client.services()
        try output.show(services) {
            var table = TextTable([
                "SERVICE", "IMAGE", "REVISION", "ONLINE", "STANDBY", "RANGE", "REQ/S", "HELD", "ROLLOUT", "AGE",
            ])
            for service in services { table.add(row(service)) }
            return services.isEmpty ? "no services yet: sidekick apply -f FILE makes one" : table.text
        }
    }

    private func row(_ service: ServiceStatus) -> [String] {
        let counts = ReplicaCounts(service.replicas)
        return [
            service.record.name, service.spec.image, "\(service.record.revision)",
            "\(counts.online)/\(service.record.desiredOnline)",
            "\(counts.standby)/\(service.record.desiredStandby)", "\(service.spec.replicas.min)–\(service.spec.replicas.max)",
            service.load.requestsPerSecond.fixed(1), "\(service.load.held)", service.rollout?.phase.rawValue ?? "–",
            service.record.createdAt.age(at: WallClock.now),
        ]
    }
}

/// Replicas of one service by what they are, as observed.
struct ReplicaCounts {
    var online = 0
    var starting = 0
    var standby = 0
    var leaving = 0
    var failed = 0

    init(_ replicas: [ReplicaStatus]) {
        for replica in replicas {
            guard let observed = replica.observed else {
                starting += 1
                continue
            }
            switch observed.phase {
            case .settled where observed.rung == .online && observed.ready: online += 1
            case .settled where observed.rung == .online: starting += 1
            case .settled: standby += 1
            case .starting: starting += 1
            case .draining, .stopping, .removed: leaving += 1
            case .failed: failed += 1
            }
        }
    }
}
