import ArgumentParser
import ControlAPI
import Glibc

/// The one executable: the daemons of a fleet, and the operator's verbs.
struct Sidekick: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sidekick",
        abstract: "Runs services in containers on your own hosts and scales them by request load.",
        discussion: """
            Start everything on this machine with `sidekick standalone`, then from another terminal:

              sidekick image import web-1.tar --name web:1
              sidekick apply -f web.yaml --wait
              sidekick status web

            Exit codes: 0 done, 1 failed, 2 refused input (a spec, an argument the controller rejects), 3 controller not reached,
            4 deadline passed while waiting, 64 wrong usage.
            """,
        version: SidekickVersion.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Services",
                subcommands: [
                    ApplyCommand.self, ListCommand.self, StatusCommand.self, ScaleCommand.self, RolloutCommand.self,
                    ExplainCommand.self,
                    WaitCommand.self, LogsCommand.self, EventsCommand.self, DeleteCommand.self,
                ]),
            CommandGroup(
                name: "Images, hosts and state",
                subcommands: [ImageCommand.self, HostCommand.self, VolumeCommand.self, BackupCommand.self, RestoreCommand.self]),
            CommandGroup(
                name: "Daemons",
                subcommands: [StandaloneCommand.self, ControllerCommand.self, AgentCommand.self, GatewayCommand.self]),

            CommandGroup(name: "One host alone", subcommands: [ContainerCommand.self, RuntimeEntry.self]),
            CommandGroup(name: "Proof", subcommands: [LoadCommand.self, SimulateCommand.self, AutoscalerCommand.self]),
        ])
}

enum SidekickVersion {
    static let text = "0.1.0"
}

@main
enum Main {
    static func main() async {
        if let status = RuntimeEntry.run(CommandLine.arguments) { exit(status) }
        do {
            var command = try Sidekick.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as APIFailure {
            stop(CommandFailure(failure))
        } catch let failure as SpecFileError {
            stop(CommandFailure(.refused, failure.description))
        } catch let failure as CommandFailure {
            stop(failure)
        } catch {
            Sidekick.exit(withError: error)
        }
    }

    private static func stop(_ failure: CommandFailure) -> Never {
        StandardError.write("sidekick: \(failure.message)\n")
        exit(failure.status.rawValue)
    }
}
