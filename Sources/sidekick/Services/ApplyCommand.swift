import ArgumentParser
import ControlAPI
import FoundationEssentials
import Glibc
import SidekickModel

struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Make services as their spec files say.",
        discussion: """
            Applying the same file twice changes nothing. A change of the image, command, ports, env, resources, health or replicas.rung starts
            a rollout; a change of scale, replicas, ingress, rollout or stop takes effect at once.
            """)

    @Option(
        name: [.short, .customLong("file")],
        help: ArgumentHelp("Spec file, YAML or JSON; - for standard input.", valueName: "file"))
    var file: [String]

    @Flag(help: "Say what would change; change nothing.")
    var dryRun = false

    @Option(
        name: .customLong("if-version"),
        help: ArgumentHelp(
            "Apply only if the service still has this resource version (0: only if it is new).", valueName: "version"))
    var expectedVersion: Int64?

    @OptionGroup var waiting: WaitOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        var services: [ServiceSpec] = []
        for name in file { services += try SpecReader.services(text: try Self.text(of: name), file: name) }
        let client = connection.client
        let results = try await client.apply(
            ApplyRequest(services: services, dryRun: dryRun, expectedVersion: expectedVersion))
        try output.show(results) { results.map(describe).joined(separator: "\n") }
        guard waiting.wait, !dryRun else { return }
        for result in results where result.rollout != nil {
            try await RolloutWait(client: client, service: result.service, timeout: waiting.timeout.milliseconds).finish()
        }
    }

    private func describe(_ result: ApplyResult) -> String {
        let would = dryRun && result.outcome != .unchanged ? " (dry run: nothing was changed)" : ""
        let head = "\(result.service): \(result.outcome.rawValue), revision \(result.revision)\(would)"
        let changes = result.changes.map { "  \($0.key): \($0.before ?? "(none)") → \($0.after ?? "(none)")" }
        return ([head] + (result.outcome == .created ? [] : changes)).joined(separator: "\n")
    }

    private static func text(of name: String) throws -> String {
        guard let data = name == "-" ? FileHandleInput.readAll() : FileManager.default.contents(atPath: name) else {
            throw CommandFailure(.refused, "\(name): cannot be read: \(String(cString: strerror(errno)))")
        }
        guard let text = String(data: data, encoding: .utf8) else { throw CommandFailure(.refused, "\(name): is not UTF-8 text") }
        return text
    }
}
