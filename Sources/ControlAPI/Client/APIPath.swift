package import SidekickModel

/// Where each resource of the operator API is. The server's router and the client both take their paths from here.
package enum APIPath {
    package static let services = "/v1/services"
    package static let events = "/v1/events"
    package static let hosts = "/v1/hosts"
    package static let images = "/v1/images"
    package static let imageImport = "/v1/images/import"
    package static let backup = "/v1/backup"
    /// Server-sent events.
    package static let watch = "/v1/watch"
    /// The OpenAPI document of all this.
    package static let openAPI = "/v1/openapi.json"
    /// Answers 200 while the process runs.
    package static let health = "/healthz"
    /// Answers 200 once the store is open and agents are accepted.
    package static let readiness = "/readyz"
    /// Prometheus text.
    package static let metrics = "/metrics"

    package static func host(_ name: String) -> String { "\(hosts)/\(name)" }
    package static func service(_ name: String) -> String { "\(services)/\(name)" }
    package static func scale(_ name: String) -> String { "\(services)/\(name)/scale" }
    package static func rollout(_ name: String) -> String { "\(services)/\(name)/rollout" }
    package static func rollouts(_ name: String) -> String { "\(services)/\(name)/rollouts" }
    package static func revisions(_ name: String) -> String { "\(services)/\(name)/revisions" }
    package static func decisions(_ name: String) -> String { "\(services)/\(name)/decisions" }
    package static func loads(_ name: String) -> String { "\(services)/\(name)/load" }
    /// - Parameter replica: as `ReplicaID` describes itself, `r12`.
    package static func logs(_ replica: String) -> String { "/v1/replicas/\(replica)/logs" }
}

extension ReplicaID {
    /// Reads `r12` or `12`, as operators write it; nil for anything else.
    package init?(text: String) {
        guard let number = Int64(text.hasPrefix("r") ? text.dropFirst() : text[...]), number > 0 else { return nil }
        self.init(number)
    }
}
