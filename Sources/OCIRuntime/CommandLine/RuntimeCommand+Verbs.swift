import ContainerCore
import FoundationEssentials
import Glibc

extension RuntimeCommand {
    private static let bundleOptions = [
        CommandOption("bundle", "b", value: "DIR", "the bundle (this directory)"),
        CommandOption("config", "f", value: "FILE", "its configuration (config.json)"),
        CommandOption("console-socket", value: "PATH", "socket that gets the terminal's master"),
        CommandOption("pid-file", value: "FILE", "write the process id there"),
        CommandOption("preserve-fds", value: "N", "descriptors from 3 on that the program inherits"),
        CommandOption("no-pivot", "move the root instead of pivot_root"),
        CommandOption("no-new-keyring", "keep the caller's session keyring"),
        CommandOption("no-subreaper", "accepted"),
    ]

    static let commands: [RuntimeVerb] = [
        RuntimeVerb(name: "create", operands: "ID", operandCount: 1...1, options: bundleOptions) { runtime, arguments in
            try runtime.create(try request(arguments))
            return 0
        },
        RuntimeVerb(
            name: "run", operands: "ID", operandCount: 1...1,
            options: bundleOptions + [
                CommandOption("detach", "d", "return as soon as it runs"), CommandOption("keep", "do not delete it at its end"),
            ]
        ) { runtime, arguments in
            try runtime.run(try request(arguments), detach: arguments.has("detach"), keep: arguments.has("keep"))
        },
        RuntimeVerb(name: "start", operands: "ID", operandCount: 1...1, options: []) { runtime, arguments in
            try runtime.start(arguments.operands[0])
            return 0
        },
        RuntimeVerb(name: "state", operands: "ID", operandCount: 1...1, options: [CommandOption("all", "a", "accepted")]) {
            runtime, arguments in
            say(try json(runtime.state(arguments.operands[0]), pretty: true))
            return 0
        },
        RuntimeVerb(
            name: "kill", operands: "ID [SIGNAL]", operandCount: 1...2,
            options: [
                CommandOption("all", "a", "every process of the container"),
                CommandOption("regex", "r", "ID is a regular expression, for every container that matches"),
            ]
        ) { runtime, arguments in
            let signal = try SignalName.number(arguments.operands.count == 2 ? arguments.operands[1] : "TERM")
            for id in try runtime.ids(arguments.operands[0], isPattern: arguments.has("regex")) {
                try runtime.kill(id, signal: signal, all: arguments.has("all"))
            }
            return 0
        },
        RuntimeVerb(
            name: "delete", operands: "ID", operandCount: 1...1,
            options: [
                CommandOption("force", "f", "end it first if it runs; no error if there is none"),
                CommandOption("regex", "r", "ID is a regular expression, for every container that matches"),
            ]
        ) { runtime, arguments in
            for id in try runtime.ids(arguments.operands[0], isPattern: arguments.has("regex")) {
                try runtime.delete(id, force: arguments.has("force"))
            }
            return 0
        },
        ExecVerb.verb,
        RuntimeVerb(
            name: "list", operands: "", operandCount: 0...0,
            options: [
                CommandOption("quiet", "q", "ids only"), CommandOption("format", "f", value: "table|json", "how to print"),
            ]
        ) { runtime, arguments in
            try Listing.print(runtime.list(), quiet: arguments.has("quiet"), format: arguments["format"] ?? "table")
            return 0
        },
        RuntimeVerb(
            name: "ps", operands: "ID [PS-OPTION]...", operandCount: 1...64, operandsBeforeStop: 1,
            options: [CommandOption("format", "f", value: "table|json", "how to print")]
        ) { runtime, arguments in
            try Listing.print(processes: runtime.processes(arguments.operands[0]), format: arguments["format"] ?? "table")
            return 0
        },
        RuntimeVerb(name: "pause", operands: "ID", operandCount: 1...1, options: []) { runtime, arguments in
            try runtime.pause(arguments.operands[0])
            return 0
        },
        RuntimeVerb(name: "resume", operands: "ID", operandCount: 1...1, options: []) { runtime, arguments in
            try runtime.resume(arguments.operands[0])
            return 0
        },
        UpdateVerb.verb,
        RuntimeVerb(
            name: "events", operands: "ID", operandCount: 1...1,
            options: [
                CommandOption("stats", "print once and return"),
                CommandOption("interval", value: "DURATION", "time between prints, such as 5s"),
            ]
        ) { runtime, arguments in
            let interval = try EventStream.seconds(arguments["interval"] ?? "5s")
            try EventStream.print(runtime, arguments.operands[0], once: arguments.has("stats"), interval: interval)
            return 0
        },
        RuntimeVerb(name: "features", operands: "", operandCount: 0...0, options: []) { _, _ in
            say(try json(RuntimeFeatures(), pretty: true))
            return 0
        },
        RuntimeVerb(
            name: "spec", operands: "", operandCount: 0...0,
            options: [
                CommandOption("bundle", "b", value: "DIR", "where config.json is written (this directory)"),
                CommandOption("rootless", "for a caller without privileges"),
            ]
        ) { _, arguments in
            try ExampleBundle.write(to: arguments["bundle"] ?? ".", rootless: arguments.has("rootless"))
            return 0
        },
    ]

    private static func request(_ arguments: ParsedArguments) throws -> CreateRequest {
        var request = CreateRequest(id: arguments.operands[0])
        request.bundle = arguments["bundle"] ?? "."
        request.configuration = arguments["config"] ?? "config.json"
        request.consoleSocket = arguments["console-socket"].flatMap { $0.isEmpty ? nil : $0 }
        request.pidFile = arguments["pid-file"].flatMap { $0.isEmpty ? nil : $0 }
        request.preserved = try arguments.number("preserve-fds") ?? 0
        guard (0...1000).contains(request.preserved) else { throw invalid("option --preserve-fds: must be 0 to 1000") }
        // Sockets that the caller was started with by systemd (sd_listen_fds(3)) go on to the program.
        if let listening = getenv("LISTEN_FDS").flatMap({ Int(String(cString: $0)) }), (0...1000).contains(listening) {
            request.preserved += listening
        }
        request.noPivot = arguments.has("no-pivot")
        request.newKeyring = !arguments.has("no-new-keyring")
        return request
    }
}

func json(_ value: some Encodable, pretty: Bool) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
        pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
}
