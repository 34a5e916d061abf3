import Glibc

/// An OCI runtime from the distribution, measured beside ours on the same root file system.
struct Peer {
    /// Name of its program, such as `crun`.
    let program: String
    /// Name and version, as results name it.
    let title: String
    /// Directory with a bundle per program: `true`, `clock`, `sleep`.
    let bundles: String
    /// Where it keeps its state, apart from other users' of the same program.
    let state: String

    init?(_ program: String, bundles: String, state: String) {
        let file = "\(state)/version"
        guard (try? Command([program, "--version"]).run(output: file)) != nil,
            let line = text(of: file)?.split(separator: "\n").first
        else { return nil }
        let version = line.split(separator: " ").last.map { $0.prefix { $0 != "+" } } ?? ""
        self.program = program
        title = "\(program) \(version)"
        self.bundles = bundles
        self.state = "\(state)/\(program)"
    }

    private func command(_ verb: String, _ id: String, bundle: String? = nil) -> Command {
        Command(
            [program, "--root", state, verb] + (bundle.map { ["--bundle", "\(bundles)/\($0)"] } ?? []) + [id])
    }

    func run(_ bundle: String, id: String) throws { try command("run", id, bundle: bundle).run() }
    func startRun(_ bundle: String, id: String) throws -> pid_t { try command("run", id, bundle: bundle).start() }
    func create(_ bundle: String, id: String, output: String = "/dev/null") throws {
        try command("create", id, bundle: bundle).run(output: output)
    }
    func start(id: String) throws { try command("start", id).run() }
    func freeze(id: String) throws { try command("pause", id).run() }
    func thaw(id: String) throws { try command("resume", id).run() }
    func remove(id: String) throws {
        try Command([program, "--root", state, "delete", "--force", id]).run()
    }
}
