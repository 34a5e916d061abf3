import ArgumentParser
import ControlAPI
import ControllerStore
import FoundationEssentials

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Write a copy of the controller's database while it works.",
        discussion: "The copy is whole and checked. Images are not in it: keep those where they come from.")
    @Argument(help: "Where to write it on the controller's host; nothing may be there yet.") var path: String
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions
    func run() async throws {
        let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        let summary = try await connection.client.backup(BackupRequest(path: absolute))
        try output.show(summary) { "\(summary.path): \(summary.size / 1024) KiB" }
    }
}

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put a backup in the place of the controller's database.",
        discussion: """
            The controller must not run. What was there is kept beside it. Services and counts are those of the backup; replicas made after it are
            unknown to it and are removed when their hosts report, so restore the newest one there is.
            """)
    @Argument(help: "The backup.") var path: String
    @Option(help: ArgumentHelp("The controller's directory.", valueName: "directory")) var data = "/var/lib/sidekick/controller"
    func run() async throws {
        do {
            try await SQLiteStore.restore(path, into: data)
        } catch {
            throw CommandFailure(.refused, "restore: \(error)")
        }
        StandardOutput.line("\(data): restored from \(path); start the controller")
    }
}
