import ContainerCore
import Glibc

/// `sidekick runtime`, which is also `sidekick-runtime`: the command line that OCI clients know from runc and crun.
package enum RuntimeCommand {
    static let globalOptions = [
        CommandOption("root", value: "DIR", "where containers are kept between commands (/run/sidekick-runtime)"),
        CommandOption("log", value: "FILE", "write what goes wrong there too"),
        CommandOption("log-format", value: "text|json", "how"),
        CommandOption("log-level", value: "LEVEL", "debug, or what is not debug"),
        CommandOption("debug", "log what is done"),
        CommandOption("systemd-cgroup", "read cgroupsPath as slice:prefix:name; the cgroup file system is used all the same"),
        CommandOption(
            "cgroup-manager", value: "cgroupfs|systemd|disabled", "the same in crun's words; disabled makes no control groups"),
        CommandOption(
            "rootless", value: "true|false|auto", "accepted: what a caller without privileges may not do fails by itself"),
        CommandOption("criu", value: "PATH", "accepted: there is no checkpoint"),
        CommandOption("init-path", value: "FILE", "the sidekick-init executable; beside this one when not given"),
        CommandOption("version", "v", "print versions"),
        CommandOption("help", "h", "print this"),
    ]

    /// Runs one command line, without the program's own name.
    ///
    /// - Parameter initPath: the sidekick-init executable unless an option names another.
    /// - Returns: the exit code.
    package static func main(_ arguments: [String], initPath: String, version: String) -> Int32 {
        do {
            return try run(arguments, initPath: initPath, version: version)
        } catch {
            RuntimeLog.fail("\(error)")
            return 1
        }
    }

    private static func run(_ arguments: [String], initPath: String, version: String) throws -> Int32 {
        let global = try ParsedArguments(arguments, globalOptions, operandsBeforeStop: 1)
        if global.has("version") {
            say("sidekick-runtime version \(version)\nspec: \(RuntimeFeatures.newestVersion)\n+CAP +SECCOMP +CGROUP\n")
            return 0
        }
        guard let name = global.operands.first, !global.has("help"), name != "help" else {
            say(usage)
            return global.has("help") || global.operands.first == "help" ? 0 : 1
        }
        var log = RuntimeLog.Destination()
        log.file = global["log"].flatMap { $0.isEmpty ? nil : $0 }
        switch global["log-format"] ?? "text" {
        case "text": break
        case "json": log.isJSON = true
        case let other: throw invalid("option --log-format: \(other) must be text or json")
        }
        log.isDebug = global.has("debug") || global["log-level"] == "debug"
        if let file = log.file {
            let made = Glibc.open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
            guard made >= 0 else {
                throw ContainerError(.kernelRefused, "cannot open log file \(file)", cause: systemText(errno))
            }
            close(made)
        }
        RuntimeLog.set(log)
        var settings = RuntimeSettings()
        settings.initPath = global["init-path"] ?? initPath
        if let root = global["root"] { settings.root = root }
        switch global["cgroup-manager"] ?? "cgroupfs" {
        case "cgroupfs": settings.systemdCgroup = global.has("systemd-cgroup")
        case "systemd": settings.systemdCgroup = true
        case "disabled": settings.withoutCgroups = true
        case let other: throw invalid("option --cgroup-manager: \(other) must be cgroupfs, systemd or disabled")
        }
        guard let command = commands.first(where: { $0.name == name }) else {
            throw invalid("unknown command \(name); there are \(commands.map(\.name).joined(separator: ", "))")
        }
        let help = CommandOption("help", "h", "print this")
        let parsed = try ParsedArguments(
            global.operands.dropFirst(), command.options + [help], operandsBeforeStop: command.operandsBeforeStop)
        if parsed.has("help") {
            say(command.usage)
            return 0
        }
        guard command.operandCount.contains(parsed.operands.count) else {
            throw invalid("wrong number of arguments; usage: sidekick runtime \(command.line)")
        }
        return try command.run(Runtime(settings), parsed)
    }

    private static var usage: String {
        let commandLines = commands.map { "  \($0.line)\n" }.joined()
        return "Runs containers from OCI bundles, for podman, containerd and other clients of runc and crun.\n\n"
            + "usage: sidekick runtime [OPTION]... COMMAND [ARGUMENT]...\n\n\(commandLines)\n"
            + globalOptions.map(optionLine).joined()
    }

    static func optionLine(_ option: CommandOption) -> String {
        let name = "\(option.short.map { "-\($0), " } ?? "")--\(option.name)\(option.value.map { " \($0)" } ?? "")"
        return "  \(name)\(String(repeating: " ", count: max(1, 36 - name.count)))\(option.help)\n"
    }
}

/// One command of the runtime.
struct RuntimeVerb: Sendable {
    var name: String
    var operands: String
    var operandCount: ClosedRange<Int>
    var operandsBeforeStop: Int?
    var options: [CommandOption]
    var run: @Sendable (Runtime, ParsedArguments) throws -> Int32

    var line: String { "\(name)\(options.isEmpty ? "" : " [OPTION]...")\(operands.isEmpty ? "" : " \(operands)")" }
    var usage: String { "usage: sidekick runtime \(line)\n" + options.map(RuntimeCommand.optionLine).joined() }
}

func say(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: rest)).withMemoryRebound(to: UInt8.self) {
                write(STDOUT_FILENO, $0.baseAddress, $0.count)
            }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }
}
