import ArgumentParser
import ControlAPI
import FoundationEssentials
import Glibc
import ScalerTools
import SidekickModel

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run the production autoscaler over a load trace, beside what others would do.",
        discussion: """
            The trace is a CSV file: ‘seconds,requests_per_second’ (a rate holds until the next line) or ‘second,requests’ (requests counted in
            bins). --from-recorded takes what this fleet's controller recorded of a service instead. Single requests are drawn from the
            trace at random, the same for the same --seed, and every policy gets the same ones.

            Baselines: fixed (as many as the highest load needs, always), hpa (Kubernetes' autoscaler by requests per second), kpa (Knative's).
            """)

    @Option(name: [.short, .customLong("file")], help: ArgumentHelp("Spec file of one service.", valueName: "file"))
    var file: String
    @Option(help: ArgumentHelp("Load trace, CSV.", valueName: "file")) var load: String?
    @Option(
        name: .customLong("from-recorded"), help: ArgumentHelp("Take the recorded load of this service.", valueName: "service"))
    var recorded: String?
    @Option(help: ArgumentHelp("What to compare with: fixed, hpa, kpa, or none.", valueName: "names")) var against =
        "fixed,hpa,kpa"
    @Option(name: .customLong("service-time"), help: "Mean time one request takes. (default: as recorded, else 100ms)")
    var serviceTime: DurationArgument?
    @Option(help: "Standard deviation over mean of the time requests take.") var variation = 1.0
    @Option(help: "Requests one replica serves at full speed, where the spec leaves it to be learnt.") var capacity = 8
    @Option(help: "How long a replica takes from nothing.") var cold = DurationArgument(Milliseconds(2000))
    @Option(help: "How long a standby takes to come online.") var wake = DurationArgument(Milliseconds(30))
    @Option(help: "Seed of the single requests.") var seed: UInt64 = 1
    @Flag(help: "List every change of the counts with its reason.") var decisions = false
    @Option(help: ArgumentHelp("Draw load and replicas into this file.", valueName: "file")) var svg: String?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (load == nil) != (recorded == nil) else { throw ValidationError("give either --load or --from-recorded") }
        guard variation >= 0, variation.isFinite, capacity > 0 else {
            throw ValidationError("--variation is 0 or more, --capacity more than 0")
        }
        guard serviceTime.map({ $0.milliseconds.count > 0 }) ?? true else {
            throw ValidationError("--service-time is more than 0")
        }
        _ = try baselines()
    }

    func run() async throws {
        let spec = try SpecReader.service(text: try Self.text(of: file), file: file)
        var settings = SimulationRun.Settings()
        let trace = try await trace(&settings)
        if let serviceTime { settings.service = Double(serviceTime.milliseconds.count) / 1000 }
        settings.variation = variation
        settings.capacity = capacity
        settings.coldStart = Double(cold.milliseconds.count) / 1000
        settings.wake = Double(wake.milliseconds.count) / 1000
        settings.seed = seed
        let run = SimulationRun(spec, trace: trace, settings: settings)
        var ours = run.scaler(recordsChanges: true)
        let changes = ours.changes
        if let svg {
            let title = "\(spec.service): \(load ?? "recorded load of \(recorded ?? "")"), \(ours.requests) requests"
            try Self.write(TracePlot.svg(title: title, trace: trace, changes: changes), to: svg)
        }
        if !decisions { ours.changes = [] }
        let reports = [ours] + (try baselines()).map(run.baseline)
        try output.show(reports) { table(reports, changes, trace) }
    }

    private func baselines() throws -> [SimulationRun.Baseline] {
        guard against != "none" else { return [] }
        return try against.split(separator: ",").map { name in
            guard let baseline = SimulationRun.Baseline(rawValue: String(name)) else {
                throw ValidationError("--against: ‘\(name)’ is none of fixed, hpa, kpa")
            }
            return baseline
        }
    }

    private func trace(_ settings: inout SimulationRun.Settings) async throws -> LoadTrace {
        if let load {
            do {
                return try LoadTrace(csv: try Self.text(of: load), file: load)
            } catch let error as TraceError {
                throw CommandFailure(.refused, error.description)
            }
        }
        return try await RecordedTrace.fetch(recorded ?? "", connection.client, &settings)
    }

    private func table(_ reports: [PolicyReport], _ changes: [PolicyReport.Change], _ trace: LoadTrace) -> String {
        var table = TextTable([
            "POLICY", "REQUESTS", "LATE", "WAIT P50", "P95", "P99", "MAX", "ONLINE", "PEAK", "ONLINE·S", "STANDBY·S", "CHANGES",
            "PER HOUR",
        ])
        let milliseconds = { (seconds: Double) in "\((seconds * 1000).fixed(0)) ms" }
        for report in reports {
            table.add([
                report.policy, "\(report.requests)", "\(report.violationPercent.fixed(3))%", milliseconds(report.waits.p50),
                milliseconds(report.waits.p95), milliseconds(report.waits.p99), milliseconds(report.waits.max),
                report.meanOnline.fixed(2), "\(report.peakOnline)", report.onlineReplicaSeconds.fixed(0),
                report.standbyReplicaSeconds.fixed(0), "\(report.decisions)", report.decisionsPerHour.fixed(1),
            ])
        }
        var lines: [String] = []
        if StandardOutput.isTerminal {
            lines += [
                "load    \(TracePlot.sparkline(trace, columns: 72))  at most \(trace.peak.fixed(1))/s",
                "online  \(TracePlot.sparkline(changes, seconds: trace.seconds, columns: 72))  at most \(reports[0].peakOnline)",
                "",
            ]
        }
        if decisions {
            lines += changes.map { "\($0.at.fixed(2)) s  online \($0.online), standby \($0.standby)  \($0.reason)" } + [""]
        }
        return (lines + [table.text]).joined(separator: "\n")
    }

    private static func text(of name: String) throws -> String {
        guard let data = name == "-" ? FileHandleInput.readAll() : FileManager.default.contents(atPath: name) else {
            throw CommandFailure(.refused, "\(name): cannot be read: \(String(cString: strerror(errno)))")
        }
        guard let text = String(data: data, encoding: .utf8) else { throw CommandFailure(.refused, "\(name): is not UTF-8 text") }
        return text
    }

    private static func write(_ text: String, to path: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)) else {
            throw CommandFailure(.failed, "\(path): cannot be written: \(String(cString: strerror(errno)))")
        }
    }
}
