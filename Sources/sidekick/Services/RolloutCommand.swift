import ArgumentParser
import ControlAPI
import SidekickModel

struct RolloutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollout", abstract: "Move a service to another revision, and back.",
        subcommands: [Start.self, Status.self, Pause.self, Resume.self, Undo.self, History.self])

    struct Start: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Patch a service: roll out another image, or the same revision anew when none is named.")
        @Argument(help: "The service's name.") var service: String
        @Option(help: ArgumentHelp("The image to move to, such as web:1.4.3.", valueName: "reference")) var image: String?
        @OptionGroup var waiting: WaitOptions
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await RolloutCommand.act(service, RolloutRequest(action: .start, image: image), waiting, connection)
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the newest rollout; with --wait follow it to its end.")
        @Argument(help: "The service's name.") var service: String
        @OptionGroup var waiting: WaitOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            let client = connection.client
            if waiting.wait {
                return try await RolloutWait(client: client, service: service, timeout: waiting.timeout.milliseconds).finish()
            }
            let status = try await client.service(service)
            try output.show(status.rollout) {
                status.rollout.map { RolloutWait.line(status, $0) } ?? "\(service): no rollout yet"
            }
        }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Stop replacing replicas until resumed; scaling goes on.")
        @Argument(help: "The service's name.") var service: String
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await RolloutCommand.act(service, RolloutRequest(action: .pause), WaitOptions(), connection)
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Go on with a paused rollout.")
        @Argument(help: "The service's name.") var service: String
        @OptionGroup var waiting: WaitOptions
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await RolloutCommand.act(service, RolloutRequest(action: .resume), waiting, connection)
        }
    }

    struct Undo: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Go back to an earlier revision.")
        @Argument(help: "The service's name.") var service: String
        @Option(help: ArgumentHelp("The revision to return to; the one before when not given.", valueName: "number")) var to: Int?
        @OptionGroup var waiting: WaitOptions
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await RolloutCommand.act(service, RolloutRequest(action: .undo, revision: to), waiting, connection)
        }
    }

    struct History: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List revisions and rollouts.")
        @Argument(help: "The service's name.") var service: String
        @OptionGroup var output: OutputOptions
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            let client = connection.client
            let rollouts = try await client.rollouts(service)
            let revisions = try await client.revisions(service)
            try output.show(rollouts) {
                var first = TextTable(["REVISION", "IMAGE", "AGE", "CAUSE"])
                for revision in revisions {
                    first.add([
                        "\(revision.number)", revision.spec.image, revision.createdAt.age(at: WallClock.now), revision.cause,
                    ])
                }
                var second = TextTable(["ROLLOUT", "FROM", "TO", "PHASE", "AGE", "REASON"])
                for rollout in rollouts {
                    second.add([
                        "\(rollout.id)", rollout.from.map { "\($0)" } ?? "–", "\(rollout.to)", rollout.phase.rawValue,
                        rollout.startedAt.age(at: WallClock.now), rollout.reason,
                    ])
                }
                return first.text + "\n\n" + second.text
            }
        }
    }

    private static func act(
        _ service: String, _ request: RolloutRequest, _ waiting: WaitOptions, _ connection: ConnectionOptions
    ) async throws {
        let client = connection.client
        let rollout = try await client.rollout(service, request)
        if waiting.wait {
            return try await RolloutWait(client: client, service: service, timeout: waiting.timeout.milliseconds).finish()
        }
        StandardOutput.line(
            "\(service): rollout \(rollout.from.map { "\($0)" } ?? "none") → \(rollout.to) \(rollout.phase.rawValue): \(rollout.reason)"
        )
    }
}
