import Agent
import ArgumentParser
import ContainerCore
import ControlAPI
import FoundationEssentials
import Glibc
import ImageStore
import SidekickModel

extension ContainerCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "ps", abstract: "List containers.", aliases: ["list", "ls"])
        @OptionGroup var output: OutputOptions
        @OptionGroup var engine: LocalEngineOptions
        func run() async throws {
            let containers = try await engine.withEngine { engine, _ in await engine.list() }
            try output.show(containers) {
                var table = TextTable(["NAME", "STATE", "PID", "GUARD", "ADDRESS", "EXIT"])
                for one in containers {
                    table.add([
                        one.id, one.state.rawValue, one.pid.map { "\($0)" } ?? "–", one.guardPID.map { "\($0)" } ?? "–",
                        one.address ?? "–", one.exit.map { "\($0.code)" } ?? "–",
                    ])
                }
                return containers.isEmpty ? "no containers" : table.text
            }
        }
    }

    struct Logs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print what a container wrote.")
        @Option(name: [.customShort("n"), .long], help: "How many of the last lines.") var tail = 1000
        @Flag(name: .shortAndLong, help: "Go on with new lines until interrupted.") var follow = false
        @Flag(name: .shortAndLong, help: "Begin each line with the time at which it was written, in UTC.") var timestamps = false
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The container's name.") var name: String
        func run() async throws {
            let path = try await engine.withEngine { engine, _ in
                _ = try await engine.status(name)
                return engine.logPath(name)
            }
            try await LogReader.read(path: path, tail: tail, follow: follow, stamped: timestamps) { StandardOutput.write($0) }
        }
    }

    struct Stop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ask a container to end, and kill it when it does not.")
        @Option(name: .shortAndLong, help: ArgumentHelp("The signal, without SIG.", valueName: "name")) var signal = "TERM"
        @Option(help: ArgumentHelp("How long it has before it is killed.", valueName: "duration"))
        var grace: DurationArgument = DurationArgument(.seconds(10))
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The container's name.") var name: String
        func run() async throws {
            try await engine.withEngine { engine, unlock in
                let exits = engine.exits()
                if try await engine.status(name).state == .exited { return }
                if try await engine.status(name).state == .frozen { try await engine.thaw(name) }
                try await engine.signal(name, try SignalName.number(signal))
                unlock()
                let killer = Task { [name, grace] in
                    try await Task.sleep(for: .milliseconds(grace.milliseconds.count))
                    try await engine.signal(name, SIGKILL)
                }
                for await ended in exits where ended.id == name { break }
                killer.cancel()
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove containers and everything of them.")
        @Flag(name: .shortAndLong, help: "Running ones too; they are killed.") var force = false
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "Their names.") var names: [String]
        func run() async throws {
            try await engine.withEngine { engine, _ in
                for name in names {
                    let status = try await engine.status(name)
                    guard force || status.state == .exited else {
                        throw CommandFailure(
                            .refused, "container rm \(name): it is \(status.state.rawValue); stop it first, or use --force")
                    }
                    try await engine.remove(name)
                    StandardOutput.line(name)
                }
            }
        }
    }

    struct Statistics: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stats", abstract: "Show what running containers use.")
        @OptionGroup var output: OutputOptions
        @OptionGroup var engine: LocalEngineOptions
        struct Row: Codable {
            var name: String
            var statistics: ContainerStatistics
        }
        func run() async throws {
            let rows = try await engine.withEngine { engine, _ in
                var rows: [Row] = []
                for one in await engine.list() where one.state != .exited {
                    rows.append(Row(name: one.id, statistics: try await engine.statistics(one.id)))
                }
                return rows
            }
            try output.show(rows) {
                var table = TextTable(["NAME", "CPU", "MEMORY", "PEAK", "PROCESSES", "READ", "WRITTEN", "OOM KILLS"])
                for row in rows {
                    let used = row.statistics
                    table.add([
                        row.name, "\((Double(used.cpuNanoseconds) / 1e9).fixed(2)) s", "\(used.memoryBytes / 1024) KiB",
                        "\(used.memoryPeakBytes / 1024) KiB", "\(used.processes)", "\(used.readBytes / 1024) KiB",
                        "\(used.writtenBytes / 1024) KiB", "\(used.outOfMemoryKills)",
                    ])
                }
                return rows.isEmpty ? "nothing runs" : table.text
            }
        }
    }

    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print everything known of a container as JSON.")
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The container's name.") var name: String
        func run() async throws {
            StandardOutput.line(try JSONText.text(of: try await engine.withEngine { engine, _ in try await engine.status(name) }))
        }
    }

    struct Wait: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Wait for a container to end and print its exit code.")
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The container's name.") var name: String
        func run() async throws {
            let code = try await engine.withEngine { engine, unlock in
                let exits = engine.exits()
                if let exit = try await engine.status(name).exit { return exit.code }
                unlock()
                for await ended in exits where ended.id == name { return ended.exit.code }
                return 1
            }
            StandardOutput.line("\(code)")
        }
    }

    struct Commit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an image of what a container changed; it stands still meanwhile.")
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The container's name.") var name: String
        @Argument(help: "The new image's reference.") var reference: String
        func run() async throws {
            let image = try await engine.withEngine { engine, _ in
                let status = try await engine.status(name)
                guard let base = status.labels["image"] else {
                    throw CommandFailure(.refused, "container commit \(name): it was not made from an image")
                }
                if status.state == .running { try await engine.freeze(name) }
                let image: StoredImage
                do {
                    image = try await self.engine.store().commit(upper: engine.upperDirectory(name), base: base, name: reference)
                } catch {
                    if status.state == .running { try? await engine.thaw(name) }
                    throw error
                }
                if status.state == .running { try await engine.thaw(name) }
                return image
            }
            StandardOutput.line("\(reference): \(image.digest)")
        }
    }

    struct ImportImage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import", abstract: "Import an image without a controller.",
            discussion: "The same as sidekick image import, straight into --images.")
        @Option(help: ArgumentHelp("The reference to give it.", valueName: "reference")) var name: String?
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "OCI layout, docker save archive or root file system tarball.") var path: String
        func run() async throws {
            do {
                let images = try await engine.store().importImage(path: path, name: name, configuration: nil)
                for image in images { StandardOutput.line("\(image.names.joined(separator: ", ")): \(image.digest)") }
            } catch let error as ImageError {
                throw CommandFailure(.refused, "container import: \(error)")
            }
        }
    }
}

extension ContainerCommand {
    struct Destroy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove every container of this instance, its bridge, cgroups and nftables table.")
        @OptionGroup var engine: LocalEngineOptions
        func run() async throws {
            try await engine.withEngine { engine, _ in try await engine.destroy() }
        }
    }
}

enum SignalName {
    private static let numbers: [String: Int32] = [
        "HUP": SIGHUP, "INT": SIGINT, "QUIT": SIGQUIT, "KILL": SIGKILL, "USR1": SIGUSR1, "USR2": SIGUSR2, "TERM": SIGTERM,
        "WINCH": SIGWINCH, "ABRT": SIGABRT, "ALRM": SIGALRM,
    ]

    static func number(_ name: String) throws -> Int32 {
        guard let number = numbers[name.uppercased()] else {
            throw CommandFailure(.refused, "‘\(name)’ is not a signal: \(numbers.keys.sorted().joined(separator: ", "))")
        }
        return number
    }
}
