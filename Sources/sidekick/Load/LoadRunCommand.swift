import ArgumentParser
import ControlAPI
import FoundationEssentials
import Glibc
import LoadGenerator
import SidekickModel
import Synchronization

extension LoadCommand {
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Open-loop load at the rates of its phases, with a line each second and a summary.",
            discussion: """
                Requests leave when they are due, however slowly earlier ones are answered, and latency counts from that moment, so that a stalled
                service shows in every request that came due meanwhile (no coordinated omission).
                """)

        @Option(help: ArgumentHelp("Where to send to.", valueName: "http://address:port/path")) var url: String
        @Option(
            help: ArgumentHelp("A phase, NAME:RATE:DURATION or NAME:RATE-RATE:DURATION; repeat for more.", valueName: "phase"))
        var phase: [String]
        @Option(
            help: ArgumentHelp(
                "Run a shell command when a phase begins; it must exit 0. PHASE=COMMAND; repeat for more.",
                valueName: "phase=command"))
        var during: [String] = []
        @Option(help: ArgumentHelp("Show this service's replicas beside the load.", valueName: "name")) var service: String?
        @Option(help: ArgumentHelp("Write every request's outcome here, one JSON object a line.", valueName: "file")) var ledger:
            String?
        @Option(help: ArgumentHelp("The most connections open at once.", valueName: "count")) var connections = 1024
        @Option(help: ArgumentHelp("When a request counts as failed, from the moment it was due.", valueName: "duration"))
        var timeout: DurationArgument = DurationArgument(.seconds(30))
        @OptionGroup var output: OutputOptions
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            var plan = try loadPlan()
            plan.ledgerPath = ledger
            plan.maximumConnections = connections
            plan.timeout = timeout.milliseconds
            let (seconds, sink) = AsyncStream.makeStream(of: LoadSecond.self)
            let load = LoadRun(plan) { sink.yield($0) }
            let commands = try phaseCommands()
            async let problems = follow(seconds, commands)
            let report = try await load.run()
            sink.finish()
            let complaints = await problems
            try output.show(report) { LoadSummary.text(report) }
            complaints.forEach { StandardError.write("sidekick: load: \($0)\n") }
            if report.total.failed > 0 {
                throw CommandFailure(.failed, "load: \(report.total.failed) of \(report.total.sent) requests failed")
            }
            if !complaints.isEmpty { throw CommandFailure(.failed, "load: a command did not do what it should") }
        }

        private func loadPlan() throws -> LoadPlan {
            do {
                var plan = try LoadPlan(url: url)
                plan.phases = try phase.map { text in
                    guard let phase = LoadPhase(text: text) else {
                        throw LoadError("‘\(text)’ is no phase such as steady:200:30s or rise:0-800:15s")
                    }
                    return phase
                }
                return plan
            } catch {
                throw CommandFailure(.refused, "load: \(error)")
            }
        }

        private func phaseCommands() throws -> [String: String] {
            var commands: [String: String] = [:]
            for text in during {
                let parts = text.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, phase.contains(where: { $0.hasPrefix(parts[0] + ":") }) else {
                    throw CommandFailure(.refused, "load: ‘\(text)’ is not PHASE=COMMAND with one of the phases")
                }
                commands[String(parts[0])] = String(parts[1])
            }
            return commands
        }

        /// Prints the table while the load runs and starts the commands as their phases begin; what went wrong with those.
        private func follow(_ seconds: AsyncStream<LoadSecond>, _ commands: [String: String]) async -> [String] {
            let client = connection.client
            return await withTaskGroup(of: String?.self) { group in
                var begun: Set<String> = []
                if output.output == .table { StandardOutput.line(LoadTable.header(withService: service != nil)) }
                for await second in seconds {
                    if begun.insert(second.phase).inserted, let command = commands[second.phase] {
                        group.addTask { await ShellCommand.run(command, phase: second.phase) }
                    }
                    guard output.output == .table else { continue }
                    var status: ServiceStatus?
                    if let service { status = try? await client.service(service) }
                    StandardOutput.line(LoadTable.line(second, service == nil ? nil : .some(status)))
                }
                var problems: [String] = []
                for await problem in group { if let problem { problems.append(problem) } }
                return problems
            }
        }
    }
}

enum ShellCommand {
    /// Runs `command` through the shell, its output among ours; nil when it exited 0, else what happened.
    static func run(_ command: String, phase: String) async -> String? {
        await withCheckedContinuation { continuation in
            DedicatedThread.start {
                do {
                    let child = try ChildProcess(program: "/bin/sh", arguments: ["-c", command])
                    child.wait()
                    let code = child.reap()
                    continuation.resume(returning: code == 0 ? nil : "phase \(phase): ‘\(command)’ ended with \(code)")
                } catch {
                    continuation.resume(returning: "phase \(phase): \(error)")
                }
            }
        }
    }
}
