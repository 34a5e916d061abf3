import ArgumentParser
import ControlAPI
import SidekickModel

struct HostCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host", abstract: "Look at hosts, and take them out of service.",
        subcommands: [List.self, Cordon.self, Uncordon.self, Drain.self, Remove.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List hosts.", aliases: ["ls"])
        @OptionGroup var output: OutputOptions
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            let hosts = try await connection.client.hosts()
            try output.show(hosts) { HostCommand.table(hosts) }
        }
    }

    struct Cordon: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Place no new replica on a host; what runs there goes on.")
        @OptionGroup var change: Change
        func run() async throws { try await change.make(.cordon) }
    }

    struct Uncordon: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take cordon and drain back.")
        @OptionGroup var change: Change
        func run() async throws { try await change.make(.uncordon) }
    }

    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Move a host's replicas elsewhere, losing no request, and place no new one on it.")
        @OptionGroup var change: Change
        func run() async throws { try await change.make(.drain) }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a host out of the fleet; only when it is lost or has no replica.")
        @OptionGroup var change: Change
        func run() async throws { try await change.make(.remove) }
    }

    struct Change: ParsableArguments {
        @Argument(help: "The host's name.") var host: String
        @OptionGroup var output: OutputOptions
        @OptionGroup var connection: ConnectionOptions

        func make(_ action: HostRequest.Action) async throws {
            let hosts = try await connection.client.host(host, HostRequest(action: action))
            try output.show(hosts) { HostCommand.table(hosts) }
        }
    }

    static func table(_ hosts: [HostStatus]) -> String {
        var table = TextTable(["HOST", "STATE", "CPU", "MEMORY", "REPLICAS", "ONLINE", "VERSION", "AGE"])
        for host in hosts {
            let state = host.liveness + (host.record.draining ? ", draining" : host.record.cordoned ? ", cordoned" : "")
            table.add([
                host.record.name, state, "\(host.record.cpu)",
                (Double(host.record.memory.bytes) / 1_073_741_824).fixed(1) + " GiB",
                "\(host.replicas)", "\(host.online)", host.version ?? "–", host.record.joinedAt.age(at: WallClock.now),
            ])
        }
        return hosts.isEmpty ? "no hosts: start an agent" : table.text
    }
}
