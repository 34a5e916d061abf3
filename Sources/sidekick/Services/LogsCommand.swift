import ArgumentParser
import ControlAPI
import SidekickModel

struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a service's replicas wrote.",
        discussion:
            "Without --replica, the logs of every replica of the service, one after the other; --follow takes one replica.")

    @Argument(help: "The service's name, or a replica's such as r12.") var name: String
    @Option(name: [.customShort("n"), .long], help: "How many of the last lines.") var tail = 100
    @Flag(name: .shortAndLong, help: "Go on with new lines until interrupted.") var follow = false
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = connection.client
        if name.hasPrefix("r"), let number = Int64(name.dropFirst()) { return try await print(client, ReplicaID(number)) }
        let replicas = try await client.service(name).replicas.filter { $0.observed != nil }.map(\.record.id)
        guard !replicas.isEmpty else { throw CommandFailure(.failed, "logs \(name): the service has no replica now") }
        if follow {
            guard replicas.count == 1 else {
                throw CommandFailure(
                    .refused,
                    "logs \(name) --follow: name one of its replicas: \(replicas.map(\.description).joined(separator: ", "))")
            }
            return try await print(client, replicas[0])
        }
        for replica in replicas {
            StandardOutput.line("==> \(replica) <==")
            try await print(client, replica)
        }
    }

    private func print(_ client: ControlClient, _ replica: ReplicaID) async throws {
        for try await bytes in client.logs(replica, tail: tail, follow: follow) { StandardOutput.write(bytes) }
    }
}
