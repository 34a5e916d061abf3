import ArgumentParser
import Controller
import ImageStore
import Logging

struct ControllerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller", abstract: "Run the deciding server of a fleet.",
        discussion: "Keeps what is wanted in DATA/state.db. Killed at any instant, it loses nothing it has acknowledged.")

    @Option(help: ArgumentHelp("Where state.db is kept.", valueName: "directory")) var data = "/var/lib/sidekick/controller"
    @Option(help: ArgumentHelp("The socket for operators.", valueName: "path")) var socket = ConnectionOptions.defaultSocket
    @Option(help: ArgumentHelp("Where agents connect.", valueName: "address:port")) var listen = "127.0.0.1:7070"
    @Option(help: ArgumentHelp("Where images are kept.", valueName: "directory")) var images = "/var/lib/sidekick/images"
    @Option(help: ArgumentHelp("File with what agents must say to be let in.", valueName: "file")) var secretFile: String
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        let logger = daemon.logger("controller")
        let configuration = ControllerConfiguration(
            stateDirectory: data, apiSocket: socket, agentListen: listen, joinSecret: try DaemonOptions.secret(secretFile))
        do {
            let server = ControllerServer(configuration: configuration, images: try ImageStore(root: images), logger: logger)
            try await DaemonRun.untilSignalled(logger) { try await server.run { ReadyNotice.announce() } }
        } catch let error as ControllerError {
            throw CommandFailure(error.code == .refused ? .refused : .failed, error.description)
        } catch let error as ImageError {
            throw CommandFailure(.refused, error.description)
        }
    }
}
