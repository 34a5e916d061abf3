import ArgumentParser
import ControlAPI
import FoundationEssentials
import SidekickModel

/// How the operator's verbs reach the controller.
struct ConnectionOptions: ParsableArguments {
    static let defaultSocket = "/run/sidekick/control.sock"

    @Option(
        help: ArgumentHelp(
            "The controller's socket; $SIDEKICK_SOCKET when not given, else \(ConnectionOptions.defaultSocket).",
            valueName: "path"))
    var socket: String?

    var client: ControlClient {
        let environment = ProcessInfo.processInfo.environment["SIDEKICK_SOCKET"]
        return ControlClient(socketPath: socket ?? environment ?? Self.defaultSocket)
    }
}

/// Waiting for an outcome, with a deadline.
struct WaitOptions: ParsableArguments {
    @Flag(help: "Wait until the change is done, or has failed.")
    var wait = false

    @Option(help: ArgumentHelp("How long to wait at most, such as 90s or 5m.", valueName: "duration"))
    var timeout: DurationArgument = DurationArgument(.seconds(300))
}
