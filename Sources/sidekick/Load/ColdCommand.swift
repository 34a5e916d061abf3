import ArgumentParser
import ControlAPI
import FoundationEssentials
import Glibc
import SidekickModel

extension LoadCommand {
    struct Cold: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Measure the first request to a service at zero, again and again.",
            discussion: """
                Each time it waits until nothing is online and a standby is ready, then sends one request on a fresh connection. With --own-start
                the service's program is also started directly on this host each time and asked the same, in turns: what remains is what
                Sidekick adds.
                """)

        @Option(help: ArgumentHelp("Where to send to.", valueName: "http://address:port/path")) var url: String
        @Option(help: ArgumentHelp("The service that answers there.", valueName: "name")) var service: String
        @Option(help: "How often.") var count = 20
        @Option(
            help: ArgumentHelp(
                "The service's program, run here with its env and PORT set to a free port.", valueName: "path")) var ownStart:
            String?
        @Option(help: ArgumentHelp("Fail when the median exceeds the program's own start by more.", valueName: "duration"))
        var budget: DurationArgument?
        @Option(help: ArgumentHelp("How long to wait for zero each time.", valueName: "duration"))
        var timeout: DurationArgument = DurationArgument(.seconds(60))
        @OptionGroup var output: OutputOptions
        @OptionGroup var connection: ConnectionOptions

        struct Report: Codable {
            /// Milliseconds, in order of measurement.
            var first: [Double] = []
            var own: [Double] = []
            var firstMedian = 0.0
            var ownMedian: Double?
            /// Median of the differences, pair by pair.
            var added: Double?
        }

        func run() async throws {
            let client = connection.client
            let target = try OneRequest(url: url)
            let spec = try await client.service(service).spec
            var report = Report()
            for _ in 0..<count {
                if let ownStart {
                    report.own.append(try await OwnStart(program: ownStart, variables: spec.env, path: target.path).measure())
                }
                try await StateWait(client: client, service: service, timeout: timeout.milliseconds).reach(.zero)
                report.first.append(try await target.measure())
            }
            report.firstMedian = Self.median(report.first)
            if !report.own.isEmpty {
                report.ownMedian = Self.median(report.own)
                report.added = Self.median(zip(report.first, report.own).map { $0 - $1 })
            }
            try output.show(report) { Self.text(report) }
            if let budget, let added = report.added, added > Double(budget.milliseconds.count) {
                throw CommandFailure(.failed, "load cold: \(added.fixed(1)) ms added is more than \(budget.milliseconds)")
            }
        }

        private static func text(_ report: Report) -> String {
            func row(_ name: String, _ values: [Double]) -> String {
                let sorted = values.sorted()
                return
                    "\(name): p50 \(median(values).fixed(2)) ms, least \((sorted.first ?? 0).fixed(2)), most \((sorted.last ?? 0).fixed(2)), \(values.count) times"
            }
            var lines = [row("first request at zero", report.first)]
            if let added = report.added {
                lines += [row("the program alone    ", report.own), "added by Sidekick    : p50 \(added.fixed(2)) ms"]
            }
            return lines.joined(separator: "\n")
        }

        private static func median(_ values: [Double]) -> Double {
            let sorted = values.sorted()
            guard !sorted.isEmpty else { return 0 }
            return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }
    }
}
