import ArgumentParser
import OCIRuntime

/// `sidekick runtime` in the help. OCI clients call it several times for each container, and mix options where this parser does not
/// expect them, so `Main` hands it over before anything else.
struct RuntimeEntry: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runtime", abstract: "Run containers from OCI bundles, for podman and containerd.",
        discussion: """
            A link named sidekick-runtime to this program is the same: podman --runtime /usr/local/bin/sidekick-runtime.
            """)

    @Argument(parsing: .captureForPassthrough, help: "What runc and crun take; --help lists it.") var arguments: [String] = []

    /// The exit code when the command line is the runtime's.
    static func run(_ commandLine: [String]) -> Int32? {
        let name = commandLine.first?.split(separator: "/").last
        let isLinked = name == "sidekick-runtime"
        guard isLinked || commandLine.dropFirst().first == "runtime" else { return nil }
        let own = (try? OwnExecutable.path()) ?? ""
        let initPath =
            own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/") + "/sidekick-init"
        return RuntimeCommand.main(
            Array(commandLine.dropFirst(isLinked ? 1 : 2)), initPath: initPath, version: SidekickVersion.text)
    }
}
