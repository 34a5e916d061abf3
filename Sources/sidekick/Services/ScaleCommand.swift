import ArgumentParser
import ControlAPI
import SidekickModel

struct ScaleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale", abstract: "Fix a service's online count, or hand it back to the autoscaler.",
        discussion: "`sidekick scale web 3` keeps three online whatever the load; `sidekick scale web auto` ends that.")

    @Argument(help: "The service's name.") var service: String
    @Argument(help: "A number of replicas, or auto.") var count: String
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let online = Int(count)
        guard count == "auto" || online != nil else {
            throw CommandFailure(.refused, "scale \(service): ‘\(count)’ is neither a whole number nor auto")
        }
        let status = try await connection.client.scale(service, ScaleRequest(online: online))
        try output.show(status) {
            online.map { "\(service): \($0) online until changed (sidekick scale \(service) auto ends it)" }
                ?? "\(service): scaled by load again"
        }
    }
}

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove a service: its replicas drain and go.",
        discussion: """
            Its named volumes stay on their hosts with all they hold, for a service of the same name or until ‘sidekick volume remove’ on
            the host; with --volumes they go too.
            """)

    @Argument(help: "The service's name.") var service: String
    @Flag(
        help: """
            Remove the service's named volumes too, and all they hold, on every host that is connected when the last replica is gone; the \
            others keep theirs.
            """)
    var volumes = false
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = connection.client
        _ = try await client.delete(service, volumes: volumes)
        guard waiting.wait else { return StandardOutput.line("\(service): being removed") }
        let start = ContinuousClock.now
        while try await client.services().contains(where: { $0.record.name == service }) {
            if ContinuousClock.now - start > .milliseconds(waiting.timeout.milliseconds.count) {
                throw CommandFailure(
                    .deadline, "\(service) is not gone after \(waiting.timeout.milliseconds): sidekick status \(service)")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        StandardOutput.line("\(service): removed")
    }
}
