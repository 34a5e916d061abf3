import ArgumentParser
import ControlAPI
import SidekickModel

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say why a service has the replicas it has.",
        discussion: "Each decision of the autoscaler with its reason and what would have changed it, newest last.",
        aliases: ["decisions"])

    @Argument(help: "The service's name.") var service: String
    @Option(name: [.customShort("n"), .long], help: "How many of the newest decisions.") var last = 10
    @Flag(name: .long, help: "Show each decision's inputs too.") var inputs = false
    @Option(
        help: ArgumentHelp(
            "Explain the counts of that time: 14:03, 14:03:22 (the last time it was that late), or how long ago, such as 10m.",
            valueName: "time"))
    var at: TimeArgument?
    @Flag(name: .shortAndLong, help: "Go on with new decisions until interrupted.") var follow = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    /// As many as the controller keeps of one service, and more.
    private static let all = 10_000

    func validate() throws {
        if at != nil, follow { throw ValidationError("--at looks back, --follow ahead: give one of them") }
    }

    func run() async throws {
        let client = connection.client
        var decisions = try await client.decisions(service, limit: at == nil ? last : Self.all, since: nil).sorted {
            $0.id < $1.id
        }
        if let time = at?.instant(now: WallClock.now) {
            decisions = Array(decisions.filter { $0.at <= time }.suffix(last))
            if decisions.isEmpty {
                throw CommandFailure(.refused, "\(service): no decision is kept from before \(WallClock.timeOfDay(time))")
            }
        }
        try output.show(decisions) {
            decisions.isEmpty
                ? "\(service): no decision yet; the first one comes with the first change of a count"
                : decisions.map(text).joined(separator: "\n")
        }
        while follow {
            try await Task.sleep(for: .milliseconds(500))
            let more = try await client.decisions(service, limit: 100, since: decisions.last?.id ?? 0).sorted { $0.id < $1.id }
            for decision in more where decision.id > decisions.last?.id ?? 0 { StandardOutput.line(text(decision)) }
            if !more.isEmpty { decisions = more }
        }
    }

    private func text(_ decision: Decision) -> String {
        let counts =
            "online \(decision.onlineBefore)→\(decision.onlineAfter), standby \(decision.standbyBefore)→\(decision.standbyAfter)"
        var lines = ["\(WallClock.timeOfDay(decision.at))  \(counts)", "  \(decision.reason)"]
        if !decision.otherwise.isEmpty { lines.append("  otherwise: \(decision.otherwise)") }
        if inputs {
            lines.append("  inputs: " + decision.inputs.map { "\($0.name)=\($0.value.fixed(3))" }.joined(separator: " "))
        }
        return lines.joined(separator: "\n")
    }
}

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "List what happened in the fleet, newest last.")

    @Option(name: [.customShort("n"), .long], help: "How many of the newest events.") var last = 30
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let events = try await connection.client.events(limit: last, since: nil).sorted { $0.id < $1.id }
        try output.show(events) {
            var table = TextTable(["TIME", "KIND", "SERVICE", "HOST", "REPLICA", "MESSAGE"])
            for event in events {
                table.add([
                    WallClock.timeOfDay(event.at), event.kind.rawValue, event.service ?? "–", event.host ?? "–",
                    event.replica.map { "\($0)" } ?? "–", event.message,
                ])
            }
            return events.isEmpty ? "no events yet" : table.text
        }
    }
}
