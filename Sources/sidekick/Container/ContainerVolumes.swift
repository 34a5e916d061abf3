import ArgumentParser
import ContainerCore
import FoundationEssentials
import Glibc
import SidekickModel

/// Directories of this host that outlive the containers that mount them, by name.
struct NamedVolumes {
    /// Holds one directory for each.
    let root: String

    func path(_ name: String) -> String { "\(root)/\(name)" }

    /// The volume's directory, made when it is not there: root's inside, whatever the container's ids are on the host.
    func make(_ name: String) throws -> String {
        do {
            try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(.failed, "container: making \(root): \(error)")
        }
        chmod(root, 0o711)
        guard mkdir(path(name), 0o755) == 0 || errno == EEXIST else {
            throw CommandFailure(.failed, "container: making volume \(name): \(String(cString: strerror(errno)))")
        }
        return path(name)
    }

    func names() -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).filter(VolumeSpec.isName).sorted()
    }

    func users(_ name: String, _ engine: ContainerEngine) async -> [String] {
        await engine.list().map(\.id).filter { id in
            (try? engine.configuration(id).mounts.contains { $0.kind == .bind && $0.source == path(name) }) == true
        }
    }
}

extension ContainerCommand {
    struct Volume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "See and remove the named volumes that containers were run with.",
            discussion: "container run -v NAME:/path makes a volume that is not there yet.",
            subcommands: [List.self, Remove.self])

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "ls", abstract: "List volumes and the containers that mount them.", aliases: ["list"])
            @OptionGroup var output: OutputOptions
            @OptionGroup var engine: LocalEngineOptions

            struct Row: Codable {
                var name: String
                var path: String
                var containers: [String]
            }

            func run() async throws {
                let volumes = engine.volumes
                let rows = try await engine.withEngine { engine, _ in
                    var rows: [Row] = []
                    for name in volumes.names() {
                        rows.append(Row(name: name, path: volumes.path(name), containers: await volumes.users(name, engine)))
                    }
                    return rows
                }
                try output.show(rows) {
                    var table = TextTable(["NAME", "CONTAINERS", "PATH"])
                    for row in rows {
                        table.add([row.name, row.containers.isEmpty ? "–" : row.containers.joined(separator: ","), row.path])
                    }
                    return rows.isEmpty ? "no volumes" : table.text
                }
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "rm", abstract: "Remove volumes that no container mounts, and all they hold.")
            @OptionGroup var engine: LocalEngineOptions
            @Argument(help: "Their names.") var names: [String]

            func run() async throws {
                let volumes = engine.volumes
                try await engine.withEngine { engine, _ in
                    for name in names {
                        guard volumes.names().contains(name) else {
                            throw CommandFailure(.refused, "container volume rm: there is no volume \(name)")
                        }
                        let users = await volumes.users(name, engine)
                        guard users.isEmpty else {
                            throw CommandFailure(
                                .refused,
                                "container volume rm \(name): mounted by \(users.joined(separator: ", ")); remove those first")
                        }
                        do {
                            try FileManager.default.removeItem(atPath: volumes.path(name))
                        } catch {
                            throw CommandFailure(.failed, "container volume rm \(name): \(error)")
                        }
                        StandardOutput.line(name)
                    }
                }
            }
        }
    }
}
