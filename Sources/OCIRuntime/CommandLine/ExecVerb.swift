import ContainerCore
import FoundationEssentials

/// `exec`: a further process in a container that runs.
enum ExecVerb {
    static let verb = RuntimeVerb(
        name: "exec", operands: "ID COMMAND [ARGUMENT]...", operandCount: 1...4096, operandsBeforeStop: 1,
        options: [
            CommandOption(
                "process", "p", value: "FILE", "the process as JSON, instead of COMMAND and the options that describe it"),
            CommandOption("detach", "d", "return as soon as it runs"),
            CommandOption("pid-file", value: "FILE", "write the process id there"),
            CommandOption("console-socket", value: "PATH", "socket that gets the terminal's master"),
            CommandOption("preserve-fds", value: "N", "descriptors from 3 on that the program inherits"),
            CommandOption("tty", "t", "give it a terminal"),
            CommandOption("user", "u", value: "UID[:GID]", "who it is"),
            CommandOption("additional-gids", "g", value: "GID", "a further group"),
            CommandOption("cwd", value: "DIR", "its working directory"),
            CommandOption("env", "e", value: "NAME=VALUE", "add to its environment"),
            CommandOption("cap", "c", value: "CAPABILITY", "add a capability"),
            CommandOption("no-new-privs", "gain no privileges by any exec"),
            CommandOption("apparmor", value: "PROFILE", "AppArmor profile"),
            CommandOption("process-label", value: "LABEL", "SELinux label"),
            CommandOption("cgroup", value: "PATH", "a group below the container's"),
            CommandOption("ignore-paused", "accepted; a paused container runs nothing"),
        ]
    ) { runtime, arguments in
        let id = arguments.operands[0]
        var request = ExecRequest(id: id, process: try process(runtime, id, arguments))
        request.detach = arguments.has("detach")
        request.pidFile = arguments["pid-file"].flatMap { $0.isEmpty ? nil : $0 }
        request.consoleSocket = arguments["console-socket"].flatMap { $0.isEmpty ? nil : $0 }
        request.preserved = try arguments.number("preserve-fds") ?? 0
        request.cgroup = arguments["cgroup"]
        return try runtime.exec(request)
    }

    private static func process(_ runtime: Runtime, _ id: String, _ arguments: ParsedArguments) throws -> ProcessSpecification {
        let command = Array(arguments.operands.dropFirst())
        if let file = arguments["process"] {
            guard let text = FileManager.default.contents(atPath: file) else {
                throw ContainerError(.notFound, "cannot read process file \(file)")
            }
            var process = try decode(ProcessSpecification.self, from: text, named: file)
            if !command.isEmpty { process.args = command }
            return process
        }
        guard !command.isEmpty else { throw invalid("exec: no command; usage: sidekick runtime exec ID COMMAND [ARGUMENT]...") }
        var process = try runtime.processTemplate(id)
        process.args = command
        process.terminal = arguments.has("tty")
        if let directory = arguments["cwd"] { process.cwd = directory }
        for setting in arguments.all("env") {
            let name = setting.prefix { $0 != "=" } + "="
            process.env = (process.env ?? []).filter { !$0.hasPrefix(name) } + [setting]
        }
        // As with crun: what the container's own program may not gain, one that the operator sends in may.
        process.noNewPrivileges = arguments.has("no-new-privs")
        if let profile = arguments["apparmor"] { process.apparmorProfile = profile }
        if let label = arguments["process-label"] { process.selinuxLabel = label }
        if let user = arguments["user"] {
            let parts = user.split(separator: ":").map { UInt32($0) }
            guard (1...2).contains(parts.count), let uid = parts[0], let gid = parts.count == 2 ? parts[1] : 0 else {
                throw invalid("option --user: \(user) must be UID or UID:GID")
            }
            process.user = ProcessSpecification.User(uid: uid, gid: gid, umask: process.user?.umask)
            // The home of the user before is not this one's.
            process.env?.removeAll { $0.hasPrefix("HOME=") }
        }
        let groups = try arguments.all("additional-gids").flatMap { $0.split(separator: ",") }.map { text in
            guard let group = UInt32(text) else { throw invalid("option --additional-gids: \(text) is no group's number") }
            return group
        }
        if !groups.isEmpty {
            var user = process.user ?? ProcessSpecification.User()
            user.additionalGids = (user.additionalGids ?? []) + groups
            process.user = user
        }
        let added = arguments.all("cap")
        if !added.isEmpty {
            var capabilities = process.capabilities ?? ProcessSpecification.Capabilities()
            for set in [\ProcessSpecification.Capabilities.bounding, \.effective, \.permitted] {
                capabilities[keyPath: set] = (capabilities[keyPath: set] ?? []) + added
            }
            process.capabilities = capabilities
        }
        return process
    }
}
