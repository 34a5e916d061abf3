import ControlAPI
import LoadGenerator
import SidekickModel

/// The live table of a load: one line a second.
enum LoadTable {
    static func header(withService: Bool) -> String {
        let load =
            pad("TIME", 10) + pad("PHASE", 9) + pad("SENT", 7) + pad("ANSWERED", 10) + pad("FAILED", 8) + pad("OPEN", 6)
            + pad("P50", 9) + pad("P99", 9)
        return withService
            ? load + pad("ONLINE", 8) + pad("STANDBY", 9) + pad("HELD", 6) + pad("VERSIONS", 16) + "ROLLOUT" : load + "VERSIONS"
    }

    /// - Parameter status: nil without a service to show, `.some(nil)` when it could not be had this second.
    static func line(_ second: LoadSecond, _ status: ServiceStatus??) -> String {
        let load =
            pad(WallClock.timeOfDay(WallClock.now), 10) + pad(second.phase, 9) + pad("\(second.sent)", 7)
            + pad("\(second.answered)", 10)
            + pad("\(second.failed)", 8) + pad("\(second.inflight)", 6) + pad(milliseconds(second.latency.p50), 9)
            + pad(milliseconds(second.latency.p99), 9)
        let versions = second.byVersion.sorted { $0.key < $1.key }.map { "\($0.key)×\($0.value)" }.joined(separator: " ")
        guard let status else { return load + versions }
        guard let status else { return load + "(the controller does not answer)" }
        let counts = ReplicaCounts(status.replicas)
        let rollout = status.rollout.map {
            $0.phase.isFinished ? "" : "\($0.phase.rawValue) \($0.from.map { "\($0)→" } ?? "")\($0.to)"
        }
        return load + pad("\(counts.online)/\(status.record.desiredOnline)", 8)
            + pad("\(counts.standby)/\(status.record.desiredStandby)", 9)
            + pad("\(status.load.held)", 6) + pad(versions, 16) + (rollout ?? "")
    }

    static func milliseconds(_ value: Double) -> String { value < 1000 ? "\(value.fixed(1)) ms" : "\((value / 1000).fixed(2)) s" }
    static func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
}

enum LoadSummary {
    static func text(_ report: LoadReport) -> String {
        var table = TextTable(["PHASE", "SENT", "ANSWERED", "FAILED", "P50", "P90", "P99", "MAX", "VERSIONS"])
        for phase in report.phases + [report.total] {
            let latency = phase.latency
            table.add([
                phase.name, "\(phase.sent)", "\(phase.answered)", "\(phase.failed)", LoadTable.milliseconds(latency.p50),
                LoadTable.milliseconds(latency.p90), LoadTable.milliseconds(latency.p99), LoadTable.milliseconds(latency.max),
                phase.byVersion.sorted { $0.key < $1.key }.map { "\($0.key)×\($0.value)" }.joined(separator: " "),
            ])
        }
        let failures = report.failures.prefix(10).map { "  failed: \($0)" }
        return (["", table.text] + failures).joined(separator: "\n")
    }
}
