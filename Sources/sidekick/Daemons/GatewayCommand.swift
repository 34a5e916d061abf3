import ArgumentParser
import ContainerCore
import EventLoop
import FoundationEssentials
import Gateway
import Logging
import UnixSignals

struct GatewayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway", abstract: "Run the request router of this host.",
        discussion: """
            Takes HTTP/1.1 requests, plain and by TLS, routes them by host and path, measures them, and holds them while a replica comes online. Serves from its last
            routing table while the agent is gone. Started where one runs on the same --data it takes
            over from it, and no request is dropped. TERM lets requests in flight finish; HUP reads certificates again and opens the access log anew.
            """)

    @Option(help: ArgumentHelp("Where it listens; repeat for more.", valueName: "address:port")) var listen: [String] = [
        "0.0.0.0:8080"
    ]
    @Option(
        help: ArgumentHelp(
            "Where other hosts' gateways bring requests for replicas of this host; the agent tells them with --gateway-address.",
            valueName: "address:port"))
    var peerListen: String?
    @Option(
        help: ArgumentHelp(
            "Subnet of the containers' bridge, as the agent has it: the names NAME.sidekick.internal are routed on connections from there "
                + "and for other gateways, and are unknown hosts to everybody else.",
            valueName: "cidr"))
    var subnet = EngineOptions.defaultSubnet
    @Option(help: ArgumentHelp("Where the last routing table is kept.", valueName: "directory")) var data =
        "/var/lib/sidekick/gateway"
    @Option(help: ArgumentHelp("Where the agent's socket is.", valueName: "directory")) var run = "/run/sidekick"
    @Option(help: "Event loops; one for each processor it may use when not given.") var threads: Int?
    @OptionGroup var tls: TLSOptions
    @OptionGroup var traffic: GatewayOptions
    @OptionGroup var daemon: DaemonOptions

    static func agentSocket(_ run: String) -> String { "\(run)/gateway.sock" }

    func run() async throws {
        let logger = daemon.logger("gateway")
        let server: GatewayServer
        var configuration = GatewayConfiguration(
            listen: listen, agentSocket: Self.agentSocket(run), stateDirectory: data,
            threads: threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount))
        configuration.peerListen = peerListen
        guard let bridge = IPv4Subnet(subnet).flatMap({ ContainerBridge(address: "\($0.gateway)", subnet: "\($0)") }) else {
            throw CommandFailure(.refused, "gateway: --subnet ‘\(subnet)’ is not a subnet such as \(EngineOptions.defaultSubnet)")
        }
        configuration.bridge = bridge
        configuration.tlsListen = tls.tlsListen
        configuration.certificates = tls.certificates
        configuration.redirectsToTLS = tls.redirectHttps
        configuration.version = SidekickVersion.text
        try traffic.apply(to: &configuration)
        do {
            server = try GatewayServer(configuration, log: logger)
        } catch let error as ListenError {
            throw CommandFailure(.refused, "gateway: \(error)")
        } catch let error as SystemError {
            throw CommandFailure(.refused, "gateway: \(error)")
        }
        // The default action of HUP would end the gateway: it is taken before anything is served.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        let reloading = Task {
            for await _ in hangups {
                server.reloadCertificates()
                server.reopenLogs()
            }
        }
        defer { reloading.cancel() }
        ReadyNotice.announce()
        try await DaemonRun.untilSignalled(logger) {
            try await withTaskCancellationHandler {
                try await server.run()
            } onCancel: {
                server.shutdown()
            }
        }
    }
}
