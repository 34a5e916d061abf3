import Agent
import ArgumentParser
import ContainerCore
import Glibc
import SidekickModel

struct VolumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume", abstract: "See and remove the named volumes that services have on this host.",
        discussion: """
            A spec's ‘volumes: [{ name: data, path: /var/lib/db }]’ makes a volume on each host where a replica needs it. Replicas of the
            service share it there, and it outlives them, rollouts and the service. Nothing removes it but ‘volume remove’ here and
            ‘sidekick delete SERVICE --volumes’.
            """,
        subcommands: [List.self, Remove.self])

    struct HostOptions: ParsableArguments {
        @Option(help: ArgumentHelp("The agent's --data on this host.", valueName: "directory")) var data =
            "/var/lib/sidekick/agent"

        /// - Throws: `CommandFailure.refused` for anybody but root.
        func volumes(_ verb: String) throws -> ServiceVolumes {
            guard geteuid() == 0 else { throw CommandFailure(.refused, "volume \(verb): needs root") }
            return ServiceVolumes(stateDirectory: data)
        }

        /// Containers that mount what lies at `path`.
        func users(of path: String) -> [String] {
            ContainerEngine.bindSources(stateDirectory: "\(data)/containers").filter { $0.source == path }.map(\.container)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List volumes, those of services that are gone too, and the containers that mount them.",
            aliases: ["ls"])
        @OptionGroup var output: OutputOptions
        @OptionGroup var host: HostOptions

        struct Row: Codable {
            var service: String
            var name: String
            var path: String
            var containers: [String]
        }

        func run() async throws {
            let volumes = try host.volumes("list")
            let rows = volumes.all().map { volume in
                let path = volumes.path(volume.service, volume.name)
                return Row(service: volume.service, name: volume.name, path: path, containers: host.users(of: path))
            }
            try output.show(rows) {
                var table = TextTable(["VOLUME", "CONTAINERS", "PATH"])
                for row in rows {
                    table.add([
                        "\(row.service)/\(row.name)", row.containers.isEmpty ? "–" : row.containers.joined(separator: ","),
                        row.path,
                    ])
                }
                return rows.isEmpty ? "no volumes" : table.text
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Remove volumes that no container mounts, and all they hold.", aliases: ["rm"])
        @OptionGroup var host: HostOptions
        @Argument(help: ArgumentHelp("SERVICE/NAME, as ‘volume list’ shows them.", valueName: "volume")) var names: [String]

        func run() async throws {
            let volumes = try host.volumes("remove")
            let known = volumes.all()
            for text in names {
                let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2, known.contains(.init(service: parts[0], name: parts[1])) else {
                    throw CommandFailure(
                        .refused, "volume remove: there is no volume \(text) below \(host.data); ‘sidekick volume list’ shows all"
                    )
                }
                let users = host.users(of: volumes.path(parts[0], parts[1]))
                guard users.isEmpty else {
                    throw CommandFailure(
                        .refused,
                        "volume remove \(text): mounted by \(users.joined(separator: ", ")); delete or change the service first")
                }
                do {
                    try volumes.remove(parts[0], parts[1])
                } catch {
                    throw CommandFailure(.failed, "volume remove \(text): \(error)")
                }
                StandardOutput.line(text)
            }
        }
    }
}
