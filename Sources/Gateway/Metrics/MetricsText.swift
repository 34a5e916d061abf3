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
        var endpoints: [EndpointLoad]
    }

    init(services: [Service], unrouted: ServiceStatistics.Snapshot, connections: Int, agentConnected: Bool) {
        family("sidekick_gateway_connections", "gauge", "Open client connections.")
        line("sidekick_gateway_connections", [], "\(connections)")
        family("sidekick_gateway_agent_connected", "gauge", "Whether the agent of this host is connected.")
        line("sidekick_gateway_agent_connected", [], agentConnected ? "1" : "0")
        family("sidekick_gateway_unrouted_requests_total", "counter", "Requests refused before a service was found.")
        for (digit, count) in unrouted.classes.enumerated() where count > 0 {
            line("sidekick_gateway_unrouted_requests_total", [("code", Self.code(digit))], "\(count)")
        }
        family(
            "sidekick_gateway_requests_total", "counter", "Requests that ended, by class of status; aborted: no whole response.")
        for service in services {
            for (digit, count) in service.statistics.classes.enumerated() where digit != 1 || count > 0 {
                line("sidekick_gateway_requests_total", [("service", service.name), ("code", Self.code(digit))], "\(count)")
            }
        }
        family("sidekick_gateway_requests_open", "gauge", "Requests open now, held ones included.")
        for service in services {
            line("sidekick_gateway_requests_open", [("service", service.name)], "\(service.load.inflight)")
        }
        family("sidekick_gateway_requests_held", "gauge", "Requests that wait for a replica now.")
        for service in services { line("sidekick_gateway_requests_held", [("service", service.name)], "\(service.load.queue)") }
        family("sidekick_gateway_replica_requests", "gauge", "Requests a replica has now.")
        for service in services {
            for endpoint in service.endpoints {
                let labels = [("service", service.name), ("replica", "\(endpoint.replica)")]
                line("sidekick_gateway_replica_requests", labels, "\(endpoint.inFlight)")
            }
        }
        family(
            "sidekick_gateway_request_seconds", "histogram", "From the whole head to the end of the response, time held included."
        )
        for service in services { histogram(service) }
    }

    private mutating func histogram(_ service: Service) {
        var sum: UInt64 = 0
        for (index, count) in service.statistics.buckets.enumerated() {
            sum += count
            let bound = index < ServiceStatistics.bounds.count ? "\(Double(ServiceStatistics.bounds[index]) / 1e9)" : "+Inf"
            line("sidekick_gateway_request_seconds_bucket", [("service", service.name), ("le", bound)], "\(sum)")
        }
        line("sidekick_gateway_request_seconds_sum", [("service", service.name)], "\(service.statistics.seconds)")
        line("sidekick_gateway_request_seconds_count", [("service", service.name)], "\(sum)")
    }

    private static func code(_ digit: Int) -> String { digit == 0 ? "aborted" : "\(digit)xx" }

    private mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
        let list = labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",")
        text += list.isEmpty ? "\(name) \(value)\n" : "\(name){\(list)} \(value)\n"
    }
}
