import ArgumentParser
import Gateway

/// How a gateway is watched, what it writes down, and what it guards against.
struct GatewayOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where /metrics (Prometheus) and /healthz are answered; nowhere when not given.", valueName: "address:port"))
    var admin: String?
    @Option(help: ArgumentHelp("Write finished requests to this file, - for standard output.", valueName: "file")) var accessLog:
        String?
    @Option(help: "How they are written: json or combined.") var accessLogFormat = AccessLogConfiguration.Format.json

    @Option(
        help: ArgumentHelp(
            "Believe X-Forwarded-* and Forwarded fields of these clients; repeat for more.", valueName: "cidr"))
    var trustedProxy: [AddressRange] = []
    @Flag(help: "Write a Forwarded field (RFC 7239) beside X-Forwarded-*.") var forwarded = false
    @Option(help: ArgumentHelp("Client connections at most; further ones are answered 503.", valueName: "count"))
    var maxConnections: Int?
    @Option(help: ArgumentHelp("Connections of one client address at most; further ones are answered 429.", valueName: "count"))
    var maxConnectionsPerClient: Int?
    @Option(
        help: ArgumentHelp(
            "Bytes a second below which slow bodies and slow readers are cut off in the end; 0 for none.", valueName: "bytes"))
    var minRate: Int?

    /// The same options for a gateway started by another command.
    var arguments: [String] {
        var arguments: [String] = []
        func add(_ name: String, _ value: String?) { if let value { arguments += [name, value] } }
        add("--admin", admin)
        add("--access-log", accessLog)
        add("--access-log-format", accessLogFormat.rawValue)
        for range in trustedProxy { add("--trusted-proxy", range.description) }
        if forwarded { arguments.append("--forwarded") }
        add("--max-connections", maxConnections.map(String.init))
        add("--max-connections-per-client", maxConnectionsPerClient.map(String.init))
        add("--min-rate", minRate.map(String.init))
        return arguments
    }

    /// - Throws: `CommandFailure.refused` when a value cannot be used.
    func apply(to configuration: inout GatewayConfiguration) throws {
        for (name, count) in [("--max-connections", maxConnections), ("--max-connections-per-client", maxConnectionsPerClient)] {
            guard count ?? 1 > 0 else { throw CommandFailure(.refused, "gateway: \(name) is a whole number above 0") }
        }
        guard minRate ?? 0 >= 0 else { throw CommandFailure(.refused, "gateway: --min-rate is a whole number of at least 0") }
        configuration.trustedProxies = trustedProxy
        configuration.writesForwarded = forwarded
        if let maxConnections { configuration.maximumConnections = maxConnections }
        configuration.connectionsPerSource = maxConnectionsPerClient
        if let minRate { configuration.minimumRate = minRate }
        configuration.admin = admin
        configuration.accessLog = accessLog.map { AccessLogConfiguration(path: $0, format: accessLogFormat) }
    }
}

extension AccessLogConfiguration.Format: ExpressibleByArgument {}

extension AddressRange: ExpressibleByArgument {
    public init?(argument: String) { self.init(text: argument) }
}
