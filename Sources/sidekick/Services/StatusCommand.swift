import ArgumentParser
import ControlAPI
import SidekickModel

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show one service: replicas, load, rollout and the last decision.",
        discussion: "With --watch, one line each second until interrupted.")

    @Argument(help: "The service's name.") var service: String
    @Flag(name: [.short, .long], help: "Print one line each second.") var watch = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = connection.client
        guard watch else {
            let status = try await client.service(service)
            return try output.show(status) { Self.page(status) }
        }
        StandardOutput.line(WatchLine.header)
        while true {
            let status = try await client.service(service)
            StandardOutput.line(WatchLine.text(status))
            try await Task.sleep(for: .seconds(1))
        }
    }

    static func page(_ status: ServiceStatus) -> String {
        let counts = ReplicaCounts(status.replicas)
        let record = status.record
        var lines = [
            "service   \(record.name), revision \(record.revision), image \(status.spec.image)",
            "online    \(counts.online) of \(record.desiredOnline) wanted (\(status.spec.replicas.min)–\(status.spec.replicas.max)"
                + (record.manualOnline.map { ", fixed at \($0)" } ?? "") + ")",
            "standby   \(counts.standby) of \(record.desiredStandby) wanted, \(status.spec.replicas.rung.rawValue)",
            "load      \(status.load.inflight) in flight, \(status.load.held) held, \(status.load.requestsPerSecond.fixed(1)) requests/s",
        ]
        if let rollout = status.rollout {
            let from = rollout.from.map { "\($0)" } ?? "none"
            lines.append("rollout   \(from) → \(rollout.to) \(rollout.phase.rawValue): \(rollout.reason)")
        }
        if let decision = status.decision {
            lines.append("decision  \(WallClock.timeOfDay(decision.at)) \(decision.reason)")
        }
        var table = TextTable([
            "REPLICA", "REV", "HOST", "WANTED", "STATE", "RUNG", "READY", "STARTS", "START", "ENDPOINT", "FAILURE",
        ])
        for replica in status.replicas { table.add(row(replica)) }
        return (lines + ["", status.replicas.isEmpty ? "no replicas" : table.text]).joined(separator: "\n")
    }

    private static func row(_ replica: ReplicaStatus) -> [String] {
        let observed = replica.observed
        let wanted =
            switch replica.record.desired {
            case .rung(let rung): rung.rawValue
            case .removed: "removed"
            }
        return [
            "\(replica.record.id)", "\(replica.record.revision)", replica.record.host, wanted,
            observed?.phase.rawValue ?? "unreported",
            observed?.rung?.rawValue ?? "–", observed?.ready == true ? "yes" : "no", "\(observed?.starts ?? 0)",
            observed?.startTook.map { "\($0)" } ?? "–", observed?.endpoint ?? "–", observed?.failure ?? "",
        ]
    }
}

/// One line of `status --watch`.
enum WatchLine {
    static let header = "TIME      REV  ONLINE  WANTED  STARTING  STANDBY  LEAVING  INFLIGHT  HELD  REQ/S   ROLLOUT"

    static func text(_ status: ServiceStatus) -> String {
        let counts = ReplicaCounts(status.replicas)
        func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
        let rollout = status.rollout.map { "\($0.phase.rawValue) \($0.from.map { "\($0)→" } ?? "")\($0.to)" } ?? "–"
        return pad(WallClock.timeOfDay(WallClock.now), 10) + pad("\(status.record.revision)", 5) + pad("\(counts.online)", 8)
            + pad("\(status.record.desiredOnline)", 8) + pad("\(counts.starting)", 10) + pad("\(counts.standby)", 9)
            + pad("\(counts.leaving)", 9) + pad("\(status.load.inflight)", 10) + pad("\(status.load.held)", 6)
            + pad(status.load.requestsPerSecond.fixed(1), 8) + rollout
    }
}
