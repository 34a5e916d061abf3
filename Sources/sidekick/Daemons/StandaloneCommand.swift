import ArgumentParser
import ContainerCore
import FoundationEssentials
import Glibc
import UnixSignals

struct StandaloneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "standalone", abstract: "Run everything on this machine: controller, agent and gateway.",
        discussion: """
            Needs root. The three run as processes of their own and are started again when one ends. Stopped with ^C or TERM it removes what
            it runs unless --keep is given; services, revisions and images stay in --data and come back with the next start. Killed
            outright, its containers go on and are taken over by the next start.
            """)

    @Option(help: ArgumentHelp("Where everything durable is kept.", valueName: "directory")) var data = "/var/lib/sidekick"
    @Option(help: ArgumentHelp("Where sockets are made.", valueName: "directory")) var run = "/run/sidekick"
    @Option(help: ArgumentHelp("Where the gateway listens for requests.", valueName: "address:port")) var listen = "0.0.0.0:8080"
    @Option(help: ArgumentHelp("Where the controller listens for agents.", valueName: "address:port")) var agents =
        "127.0.0.1:7070"
    @OptionGroup var tls: TLSOptions
    @OptionGroup var traffic: GatewayOptions
    @OptionGroup var engine: EngineOptions
    @Flag(help: "Leave containers running when stopped; the next start takes them over.") var keep = false
    @Option(help: ArgumentHelp("How much is logged: debug, info, notice, warning or error.", valueName: "level"))
    var logLevel = DaemonOptions.LogLevel.notice

    func run() async throws {
        guard geteuid() == 0 else { throw CommandFailure(.refused, "standalone: needs root, to make containers") }
        let layout = StandaloneLayout(data: data, run: run)
        try layout.make()
        let (events, sink) = AsyncStream.makeStream(of: (String, SupervisedDaemon.Event).self)
        let program = try OwnExecutable.path()
        let daemons = layout.daemons(listen: listen, tls: tls, agents: agents, traffic: traffic, engine: engine).map {
            name, arguments in
            SupervisedDaemon(
                name: name, program: program, arguments: arguments + ["--die-with-parent", "--log-level", logLevel.rawValue]
            ) {
                sink.yield((name, $0))
            }
        }
        let signals = Task {
            for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { sink.yield(("", .stopped)) }
        }
        defer { signals.cancel() }
        daemons.first?.start()
        let failure = await follow(events, daemons)
        await stop(daemons)
        if !keep { try await engine.removeEverything(layout) }
        if let failure { throw failure }
    }

    /// Prints what happens until a signal comes or a daemon refuses to run.
    private func follow(
        _ events: AsyncStream<(String, SupervisedDaemon.Event)>, _ daemons: [SupervisedDaemon]
    ) async -> CommandFailure? {
        // Each starts when the one before it is ready, so that none has to look for another that is not there yet.
        var waiting = daemons[...]
        for await (name, event) in events {
            switch event {
            case .ready:
                guard name == waiting.first?.name else { continue }
                waiting.removeFirst()
                if let next = waiting.first {
                    next.start()
                } else {
                    StandardOutput.line("sidekick standalone: ready, requests at \(listen), control socket \(run)/control.sock")
                    ReadyNotice.announce()
                }
            case .gaveUp(let reason): return CommandFailure(.failed, "standalone: \(reason)")
            case .stopped: return nil
            }
        }
        return nil
    }

    /// The gateway first, so that it can finish what is in flight while everything behind it still runs.
    private func stop(_ daemons: [SupervisedDaemon]) async {
        for daemon in daemons.reversed() { await daemon.stopAndWait() }
    }
}

/// Where a standalone host keeps what.
struct StandaloneLayout {
    let data: String
    let run: String

    var images: String { "\(data)/images" }
    var secret: String { "\(data)/secret" }

    func make() throws {
        for directory in [data, run, images, "\(data)/controller", "\(data)/agent", "\(data)/gateway"] {
            guard (try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)) != nil else {
                throw CommandFailure(.failed, "standalone: making \(directory): \(String(cString: strerror(errno)))")
            }
        }
        chmod(data, 0o700)
        chmod(run, 0o700)
        if !FileManager.default.fileExists(atPath: secret) {
            var generator = SystemRandomNumberGenerator()
            let text = (0..<4).map { _ in String(generator.next(), radix: 16) }.joined()
            guard
                FileManager.default.createFile(atPath: secret, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
            else {
                throw CommandFailure(.failed, "standalone: writing \(secret): \(String(cString: strerror(errno)))")
            }
        }
    }

    /// The daemons in starting order, with their arguments.
    func daemons(
        listen: String, tls: TLSOptions, agents: String, traffic: GatewayOptions, engine: EngineOptions
    ) -> [(name: String, arguments: [String])] {
        let gateway = InternalGateway(listen: listen, subnet: engine.subnet)
        return [
            (
                "controller",
                [
                    "controller", "--data", "\(data)/controller", "--socket", "\(run)/control.sock", "--listen", agents,
                    "--images", images,
                    "--secret-file", secret,
                ]
            ),
            (
                "agent",
                [
                    "agent", "--controller", agents, "--data", "\(data)/agent", "--run", run, "--images", images, "--secret-file",
                    secret,
                ] + (gateway.map { ["--gateway-port", "\($0.port)"] } ?? []) + engine.arguments
            ),
            (
                "gateway",
                ["gateway", "--listen", listen, "--subnet", engine.subnet, "--data", "\(data)/gateway", "--run", run]
                    + (gateway?.listen.map { ["--listen", $0] } ?? []) + tls.arguments + traffic.arguments
            ),
        ]
    }
}

/// Where the gateway is found from inside containers: at the bridge's address, at the port where it listens anyway.
struct InternalGateway: Hashable {
    let port: UInt16
    /// Where it must listen besides; nil when it listens at the bridge's address already.
    let listen: String?

    /// Nil when the gateway listens at no port that is known beforehand.
    init?(listen: String, subnet: String) {
        guard let colon = listen.lastIndex(of: ":"), let port = UInt16(listen[listen.index(after: colon)...]), port != 0,
            let bridge = IPv4Subnet(subnet)?.gateway
        else { return nil }
        self.port = port
        // A listener at [::] takes IPv6 only, as `Socket.listening` sees to.
        self.listen = ["0.0.0.0", "\(bridge)"].contains(listen[..<colon]) ? nil : "\(bridge):\(port)"
    }
}
