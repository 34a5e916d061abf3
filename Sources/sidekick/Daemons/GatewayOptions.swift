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

    /// The same options for a gateway started by another command.
    var arguments: [String] {
        (admin.map { ["--admin", $0] } ?? [])
            + (accessLog.map { ["--access-log", $0, "--access-log-format", accessLogFormat.rawValue] } ?? [])
    }

    /// - Throws: `CommandFailure.refused` when a value cannot be used.
    func apply(to configuration: inout GatewayConfiguration) throws {
        configuration.admin = admin
        configuration.accessLog = accessLog.map { AccessLogConfiguration(path: $0, format: accessLogFormat) }
    }
}

extension AccessLogConfiguration.Format: ExpressibleByArgument {}
