import ArgumentParser
import ContainerCore
import Glibc
import SidekickModel
import UnixSignals

/// Whether a program is typed to, and on what.
struct StreamOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "What is typed here, or piped in, is its input.") var interactive = false
    @Flag(name: [.customShort("t"), .long], help: "Give it a terminal.") var tty = false

    /// - Throws: `CommandFailure.refused` when a terminal is to be typed to from what is none.
    func check(_ verb: String) throws {
        guard tty, interactive, isatty(STDIN_FILENO) == 0 else { return }
        throw CommandFailure(.refused, "container \(verb): -t with -i needs a terminal to type in; leave -t away")
    }

    /// Runs `relay` with the operator's terminal raw where there is one, and `resize` whenever that terminal has another size, first of
    /// all at once.
    func carry(_ relay: StreamRelay, resize: @escaping @Sendable (UInt16, UInt16) -> Void) async -> StreamRelay.Outcome {
        signal(SIGPIPE, SIG_IGN)
        let raw = tty && relay.takesInput ? RawTerminal() : nil
        defer { raw?.restore() }
        let follow = Task {
            if let size = RawTerminal.size() { resize(size.rows, size.columns) }
            for await _ in await UnixSignalsSequence(trapping: .sigwinch) {
                if let size = RawTerminal.size() { resize(size.rows, size.columns) }
            }
        }
        defer { follow.cancel() }
        return await relay.run()
    }
}

extension ContainerCommand {
    struct Attach: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "See what a running container writes from now on, and type its input.",
            discussion: "^P ^Q detaches on a terminal and leaves it running. The exit code is the container's.")
        @Flag(help: "Only look.") var noStdin = false
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The container's name.") var name: String

        func run() async throws {
            let code: Int32 = try await engine.withEngine { engine, unlock in
                let exits = engine.exits()
                let end = try engine.attach(name)
                unlock()
                var options = StreamOptions()
                options.interactive = !noStdin
                options.tty = isatty(STDIN_FILENO) != 0 && engine.hasTerminal(name)
                let relay = StreamRelay(peer: .attachment(end), takesInput: !noStdin, detaches: options.tty)
                let outcome = await options.carry(relay) { rows, columns in
                    try? engine.resize(name, rows: rows, columns: columns)
                }
                if case .detached = outcome { return 0 }
                if let exit = try await engine.status(name).exit { return exit.code }
                for await ended in exits where ended.id == name { return ended.exit.code }
                return 1
            }
            if code != 0 { throw ExitCode(code) }
        }
    }

    struct Exec: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a further program in a running container.",
            discussion: "With -it in a terminal of its own, which hangs up when this command ends.")
        @Option(help: ArgumentHelp("How long at most.", valueName: "duration")) var timeout: DurationArgument = DurationArgument(
            .seconds(3600))
        @OptionGroup var streams: StreamOptions
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The container's name.") var name: String
        @Argument(parsing: .captureForPassthrough, help: "Program and arguments.") var command: [String]

        func run() async throws {
            try streams.check("exec")
            let exit = try await engine.withEngine { engine, unlock in
                unlock()
                let session = try await engine.begin(name, arguments: command, terminal: streams.tty)
                let watchdog = Task {
                    try await Task.sleep(for: .milliseconds(timeout.milliseconds.count))
                    session.kill()
                    StandardError.write("sidekick: container exec: killed after \(timeout.milliseconds)\n")
                }
                defer { watchdog.cancel() }
                let peer = session.terminal.map { StreamRelay.Peer.terminal($0) } ?? .pipes(session)
                if !streams.interactive { _ = session.takeInput() }
                if session.terminal != nil || !streams.tty {
                    let relay = StreamRelay(peer: peer, takesInput: streams.interactive, detaches: false)
                    _ = await streams.carry(relay) { rows, columns in session.resize(rows: rows, columns: columns) }
                }
                return try await session.wait()
            }
            if let failure = exit.failure { StandardError.write("sidekick: container exec: \(failure)\n") }
            if exit.code != 0 { throw ExitCode(exit.code) }
        }
    }

    struct Processes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "top", abstract: "List the processes of a running container, by their ids on the host.")
        @OptionGroup var output: OutputOptions
        @OptionGroup var engine: LocalEngineOptions
        @Argument(help: "The container's name.") var name: String

        func run() async throws {
            let processes = try await engine.withEngine { engine, _ in try await engine.processes(name) }
            let rows = processes.compactMap { ProcessRow($0) }
            try output.show(rows) {
                var table = TextTable(["PID", "USER", "STATE", "MEMORY", "CPU", "COMMAND"])
                for row in rows {
                    table.add([
                        "\(row.pid)", "\(row.user)", row.state, "\(row.memoryBytes / 1024) KiB",
                        "\(row.cpuSeconds.fixed(2)) s", row.command,
                    ])
                }
                return table.text
            }
        }
    }
}

/// One process as /proc shows it (proc(5)).
struct ProcessRow: Codable {
    var pid: Int32
    /// User id on the host.
    var user: Int
    var state: String
    var memoryBytes: Int64
    var cpuSeconds: Double
    var command: String

    /// Nil when it has ended meanwhile.
    init?(_ pid: Int32) {
        func file(_ name: String) -> [UInt8]? {
            let descriptor = open("/proc/\(pid)/\(name)", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            var bytes = [UInt8](repeating: 0, count: 8192)
            return Array(bytes[..<max(0, read(descriptor, &bytes, bytes.count))])
        }
        // The name in brackets may hold anything, so what follows is found from its end.
        guard let stat = file("stat"), let close = stat.lastIndex(of: UInt8(ascii: ")")), let status = file("status"),
            let line = file("cmdline")
        else { return nil }
        let fields = String(decoding: stat[(close + 1)...], as: UTF8.self).split(separator: " ")
        guard fields.count > 12, let user = Self.number("Uid:", in: status) else { return nil }
        self.pid = pid
        self.user = user
        state = String(fields[0])
        memoryBytes = Int64(Self.number("VmRSS:", in: status) ?? 0) * 1024
        cpuSeconds = ((Double(fields[11]) ?? 0) + (Double(fields[12]) ?? 0)) / Double(sysconf(Int32(_SC_CLK_TCK)))
        let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        command =
            words.isEmpty
            ? "[\(String(decoding: stat[..<close], as: UTF8.self).drop { $0 != "(" }.dropFirst())]" : words.joined(separator: " ")
    }

    private static func number(_ key: String, in status: [UInt8]) -> Int? {
        String(decoding: status, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix(key) }
            .flatMap { $0.split(whereSeparator: \.isWhitespace).dropFirst().first }.flatMap { Int($0) }
    }
}
