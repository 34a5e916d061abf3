import Agent
import ArgumentParser
import ContainerCore
import FoundationEssentials
import Glibc
import ImageStore
import Logging

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "Run the sidekick of this host.",
        discussion: """
            Needs root. Stopped or killed, its containers go on, and the next agent takes them over. With the controller gone it keeps replicas
            healthy and wakes standbys on demand.
            """)

    @Option(help: ArgumentHelp("The controller's listener for agents.", valueName: "address:port")) var controller: String
    @Option(help: ArgumentHelp("File with what the controller lets agents in by.", valueName: "file")) var secretFile: String
    @Option(help: ArgumentHelp("Where the journal and containers are kept.", valueName: "directory")) var data =
        "/var/lib/sidekick/agent"
    @Option(help: ArgumentHelp("Where sockets are made.", valueName: "directory")) var run = "/run/sidekick"
    @Option(help: ArgumentHelp("Where images are kept.", valueName: "directory")) var images = "/var/lib/sidekick/images"
    @Option(help: ArgumentHelp("This host's name in the fleet; the machine's own when not given.", valueName: "name")) var host:
        String?
    @Option(help: ArgumentHelp("What placement may ask for, KEY=VALUE; repeat for more.", valueName: "label")) var label:
        [String] = []
    @Option(
        help: ArgumentHelp(
            "Port of this host's gateway, which containers reach as http://SERVICE.sidekick.internal; it must listen on the bridge's address.",
            valueName: "port"))
    var gatewayPort: UInt16 = 8080
    @Option(
        help: ArgumentHelp(
            "Where other hosts reach this host's gateway (its --peer-listen); without it no request is sent here from elsewhere.",
            valueName: "address:port"))
    var gatewayAddress: String?
    @OptionGroup var engine: EngineOptions
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        guard geteuid() == 0 else { throw CommandFailure(.refused, "agent: needs root, to make containers") }
        let logger = daemon.logger("agent")
        var engineConfiguration = try engine.configuration(data: data, run: run)
        engineConfiguration.servesNames = true
        engineConfiguration.gatewayPort = gatewayPort
        var configuration = AgentConfiguration(
            host: host ?? ProcessInfo.processInfo.hostName, controller: controller, secret: try DaemonOptions.secret(secretFile),
            stateDirectory: data, gatewaySocket: GatewayCommand.agentSocket(run), engine: engineConfiguration, imagesRoot: images,
            labels: try labels(), version: SidekickVersion.text)
        configuration.gatewayAddress = gatewayAddress
        do {
            let runtime = try ContainerEngine(engineConfiguration)
            let server = AgentServer(
                configuration: configuration, runtime: runtime, images: try ImageStore(root: images), logger: logger
            ) {
                for note in runtime.notes { logger.warning("\(note)") }
                ReadyNotice.announce()
            }
            try await DaemonRun.untilSignalled(logger) { try await server.run() }
        } catch let error as AgentError {
            throw CommandFailure(error.code == .inputOutput ? .failed : .refused, error.description)
        } catch let error as ContainerError {
            throw CommandFailure(error.code == .invalidConfiguration ? .refused : .failed, error.description)
        } catch let error as ImageError {
            throw CommandFailure(.failed, error.description)
        }
    }

    private func labels() throws -> [String: String] {
        var labels: [String: String] = [:]
        for text in label {
            let parts = text.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { throw CommandFailure(.refused, "agent: ‘\(text)’ is not a label such as zone=a") }
            labels[String(parts[0])] = String(parts[1])
        }
        return labels
    }
}
