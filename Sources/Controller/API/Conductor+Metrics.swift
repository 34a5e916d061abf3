import Orchestration
import SidekickModel

extension Conductor {
    /// Everything countable, in Prometheus' text format.
    func metrics() -> String {
        var text = MetricsText()
        text.family("sidekick_service_desired_online", "gauge", "Replicas that shall be online.")
        for (name, service) in sortedServices {
            text.sample("sidekick_service_desired_online", ["service": name], service.record.desiredOnline)
        }
        text.family("sidekick_service_desired_standby", "gauge", "Standbys that shall be kept.")
        for (name, service) in sortedServices {
            text.sample("sidekick_service_desired_standby", ["service": name], service.record.desiredStandby)
        }
        text.family("sidekick_service_ready", "gauge", "Replicas that serve.")
        text.family("sidekick_service_replicas", "gauge", "Replicas assigned to hosts.")
        for (name, service) in sortedServices {
            let ready = service.replicas.count { book.replicas[$0]?.readySince != nil }
            text.sample("sidekick_service_ready", ["service": name], ready)
            text.sample("sidekick_service_replicas", ["service": name], service.replicas.count)
        }
        text.family("sidekick_service_inflight", "gauge", "Open requests by the newest samples.")
        text.family("sidekick_service_held", "gauge", "Requests waiting for a replica.")
        for (name, service) in sortedServices {
            let load = service.load.newest(service: name)
            text.sample("sidekick_service_inflight", ["service": name], load.inflight)
            text.sample("sidekick_service_held", ["service": name], load.queue)
        }
        text.family("sidekick_hosts", "gauge", "Hosts by liveness.")
        for state in ["alive", "suspected", "lost", "unknown"] {
            let count = book.hosts.keys.count { liveness.liveness(of: $0).rawValue == state }
            text.sample("sidekick_hosts", ["liveness": state], count)
        }
        for (name, help, value) in [
            ("sidekick_rounds_total", "Rounds of the controller's loop.", counters.rounds),
            ("sidekick_commits_total", "Transactions committed.", counters.commits),
            ("sidekick_decisions_total", "Autoscaler decisions that changed a count.", counters.decisions),
            ("sidekick_store_failures_total", "Commits that failed.", counters.storeFailures),
            ("sidekick_refused_hosts_total", "Sessions refused for a wrong secret.", counters.refusedHosts),
        ] {
            text.family(name, "counter", help)
            text.sample(name, [:], value)
        }
        return text.text
    }

    private var sortedServices: [(key: String, value: FleetBook.Service)] { book.services.sorted { $0.key < $1.key } }
}

/// Prometheus' text exposition format, version 0.0.4. Label values here are names, which need no escaping.
private struct MetricsText {
    private(set) var text = ""

    mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: [String: String], _ value: Int) {
        let list = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",")
        text += list.isEmpty ? "\(name) \(value)\n" : "\(name){\(list)} \(value)\n"
    }
}
