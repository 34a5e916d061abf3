import Orchestration
import SidekickModel

/// The gateway's numbers as Prometheus reads them (text format 0.0.4).
struct MetricsText {
    private(set) var text = ""

    /// One service with what was counted and what is open now.
    struct Service {
        var name: String
        var statistics: ServiceStatistics.Snapshot
        var load: LoadSample
        var endpoints: [Endpoint]
        var ejections: UInt64
    }

    /// One replica of it.
    struct Endpoint {
        var load: EndpointLoad
        var revision: Int
        /// nil when it was never routed to.
        var statistics: ReplicaStatistics.Snapshot?
    }

    /// What concerns the gateway as a whole.
    struct Whole {
        var unrouted: [UInt64]
        var connections: Int
        var refusedConnections: UInt64
        var agentConnected: Bool
        /// nil when no access log is kept.
        var accessLog: AccessLogWriter.Counts?
    }

    init(services: [Service], whole: Whole) {
        write(whole)
        family(
            "sidekick_gateway_requests_total", "counter", "Requests that ended, by class of status; aborted: no whole response.")
        for service in services {
            for (digit, count) in service.statistics.classes.enumerated() where digit != 1 || count > 0 {
                line("sidekick_gateway_requests_total", [("service", service.name), ("code", Self.code(digit))], "\(count)")
            }
        }
        each("sidekick_gateway_response_bytes_total", "counter", "Bytes of response bodies.", services) {
            "\($0.statistics.bytes)"
        }
        each("sidekick_gateway_requests_open", "gauge", "Requests open now, held ones included.", services) {
            "\($0.load.inflight)"
        }
        each("sidekick_gateway_requests_held", "gauge", "Requests that wait for a replica now.", services) {
            "\($0.load.queue)"
        }
        family(
            "sidekick_gateway_request_seconds", "histogram", "From the whole head to the end of the response, time held included."
        )
        for service in services {
            histogram("sidekick_gateway_request_seconds", [("service", service.name)], service.statistics.total)
        }
        family("sidekick_gateway_hold_seconds", "histogram", "From the whole head to when a replica was chosen.")
        for service in services {
            histogram("sidekick_gateway_hold_seconds", [("service", service.name)], service.statistics.hold)
        }
        each(
            "sidekick_gateway_ejections_total", "counter", "Times a replica that kept failing was left out for a while.", services
        ) {
            "\($0.ejections)"
        }
        writeReplicas(services)
    }

    private mutating func write(_ whole: Whole) {
        one("sidekick_gateway_connections", "gauge", "Open client connections.", "\(whole.connections)")
        one(
            "sidekick_gateway_refused_connections_total", "counter", "Connections refused because of a limit.",
            "\(whole.refusedConnections)")
        one(
            "sidekick_gateway_agent_connected", "gauge", "Whether the agent of this host is connected.",
            whole.agentConnected ? "1" : "0")
        if let log = whole.accessLog {
            one("sidekick_gateway_access_log_lines_total", "counter", "Lines written to the access log.", "\(log.written)")
            one(
                "sidekick_gateway_access_log_dropped_lines_total", "counter",
                "Lines not written because the log could not keep up or writing failed.", "\(log.dropped)")
        }
        family("sidekick_gateway_unrouted_requests_total", "counter", "Requests refused before a service was found.")
        for (digit, count) in whole.unrouted.enumerated() where count > 0 {
            line("sidekick_gateway_unrouted_requests_total", [("code", Self.code(digit))], "\(count)")
        }
    }

    private mutating func writeReplicas(_ services: [Service]) {
        let replicas = services.flatMap { service in
            service.endpoints.map { endpoint in
                let labels = [
                    ("service", service.name), ("replica", "\(endpoint.load.replica)"), ("revision", "\(endpoint.revision)"),
                ]
                return (labels: labels, endpoint: endpoint)
            }
        }
        family("sidekick_gateway_replica_requests", "gauge", "Requests a replica has now.")
        for (labels, endpoint) in replicas { line("sidekick_gateway_replica_requests", labels, "\(endpoint.load.inFlight)") }
        family("sidekick_gateway_replica_draining", "gauge", "Whether the replica gets no new requests.")
        for (labels, endpoint) in replicas {
            line("sidekick_gateway_replica_draining", labels, endpoint.load.draining ? "1" : "0")
        }
        family("sidekick_gateway_replica_ejected", "gauge", "Whether the replica gets no requests because it kept failing.")
        for (labels, endpoint) in replicas {
            line("sidekick_gateway_replica_ejected", labels, endpoint.load.ejected ? "1" : "0")
        }
        family("sidekick_gateway_replica_requests_total", "counter", "Requests a replica had that ended, by class of status.")
        for (labels, endpoint) in replicas {
            for (digit, count) in (endpoint.statistics?.classes ?? []).enumerated() where digit != 1 || count > 0 {
                line("sidekick_gateway_replica_requests_total", labels + [("code", Self.code(digit))], "\(count)")
            }
        }
        family("sidekick_gateway_replica_seconds", "histogram", "From when a replica was chosen to the end of its response.")
        for (labels, endpoint) in replicas {
            if let statistics = endpoint.statistics {
                histogram("sidekick_gateway_replica_seconds", labels, statistics.time)
            }
        }
    }

    private mutating func histogram(
        _ name: String, _ labels: [(String, String)], _ snapshot: LatencyHistogram.Snapshot
    ) {
        var sum: UInt64 = 0
        for (index, count) in snapshot.buckets.enumerated() {
            sum += count
            let bound = index < LatencyHistogram.bounds.count ? "\(Double(LatencyHistogram.bounds[index]) / 1e9)" : "+Inf"
            line("\(name)_bucket", labels + [("le", bound)], "\(sum)")
        }
        line("\(name)_sum", labels, "\(snapshot.seconds)")
        line("\(name)_count", labels, "\(sum)")
    }

    private static func code(_ digit: Int) -> String { digit == 0 ? "aborted" : "\(digit)xx" }

    private mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func one(_ name: String, _ type: String, _ help: String, _ value: String) {
        family(name, type, help)
        line(name, [], value)
    }

    private mutating func each(
        _ name: String, _ type: String, _ help: String, _ services: [Service], _ value: (Service) -> String
    ) {
        family(name, type, help)
        for service in services { line(name, [("service", service.name)], value(service)) }
    }

    private mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
        let list = labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",")
        text += list.isEmpty ? "\(name) \(value)\n" : "\(name){\(list)} \(value)\n"
    }
}
