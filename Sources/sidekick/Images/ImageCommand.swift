import ArgumentParser
import ControlAPI
import FoundationEssentials
import SidekickModel

struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Import, list and remove images.", subcommands: [Import.self, List.self, Remove.self])

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Import an OCI layout, a docker save archive or a root file system tarball.",
            discussion: """
                What the file is is found by looking inside; gzip and zstd are undone. A root file system tarball needs --name and, unless the spec
                gives one, a --command.
                """)
        @Argument(help: "Path of the archive or OCI layout directory.") var path: String
        @Option(help: ArgumentHelp("The reference to give it, such as web:1.4.2.", valueName: "reference")) var name: String?
        @Option(help: ArgumentHelp("For a root file system: a word of the command; repeat for more.", valueName: "word"))
        var command: [String] = []
        @Option(help: ArgumentHelp("For a root file system: a variable, NAME=VALUE; repeat for more.", valueName: "variable"))
        var env: [String] = []
        @OptionGroup var output: OutputOptions
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
            let images = try await connection.client.importImage(
                ImageImportRequest(
                    path: absolute, name: name, command: command.isEmpty ? nil : command, environment: env.isEmpty ? nil : env))
            try output.show(images) { ImageCommand.table(images) }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List images.", aliases: ["ls"])
        @OptionGroup var output: OutputOptions
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            let images = try await connection.client.images()
            try output.show(images) { images.isEmpty ? "no images yet: sidekick image import FILE" : ImageCommand.table(images) }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Take a name away; unused content goes with it.")
        @Argument(help: "The image's reference, such as web:1.4.2.") var reference: String
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await connection.client.removeImage(reference)
            StandardOutput.line("\(reference): removed")
        }
    }

    static func table(_ images: [ImageSummary]) -> String {
        var table = TextTable(["NAME", "DIGEST", "SIZE", "LAYERS"])
        for image in images {
            let size = image.size < 1_000_000 ? "\(image.size / 1000) KB" : (Double(image.size) / 1e6).fixed(1) + " MB"
            table.add([image.names.joined(separator: ","), String(image.digest.prefix(19)), size, "\(image.layers)"])
        }
        return table.text
    }
}
