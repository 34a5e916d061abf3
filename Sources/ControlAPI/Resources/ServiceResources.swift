package import SidekickModel

/// Body of `POST /v1/services` (apply): one or more specs as the operator wrote them, after reading and validation.
package struct ApplyRequest: Hashable, Sendable, Codable {
    package var services: [ServiceSpec]
    /// Says what would change, changes nothing.
    package var dryRun: Bool
    /// When given, applies only if the service still has this resource version (0: only if it does not exist).
    package var expectedVersion: Int64?

    package init(services: [ServiceSpec], dryRun: Bool = false, expectedVersion: Int64? = nil) {
        self.services = services
        self.dryRun = dryRun
        self.expectedVersion = expectedVersion
    }
}

package struct ApplyResult: Hashable, Sendable, Codable {
    package enum Outcome: String, Hashable, Sendable, Codable { case created, updated, unchanged }

    package struct Change: Hashable, Sendable, Codable {
        /// Key path such as `replicas.max`.
        package var key: String
        package var before: String?
        package var after: String?

        package init(key: String, before: String?, after: String?) {
            self.key = key
            self.before = before
            self.after = after
        }
    }

    package var service: String
    package var outcome: Outcome
    package var revision: Int
    package var resourceVersion: Int64
    /// Rollout that was started, nil when nothing has to be replaced.
    package var rollout: Int64?
    package var changes: [Change]

    package init(service: String, outcome: Outcome, revision: Int, resourceVersion: Int64, rollout: Int64?, changes: [Change]) {
        self.service = service
        self.outcome = outcome
        self.revision = revision
        self.resourceVersion = resourceVersion
        self.rollout = rollout
        self.changes = changes
    }
}

/// One service as `list` and `status` show it.
package struct ServiceStatus: Hashable, Sendable, Codable {
    package var record: ServiceRecord
    /// The newest revision's spec.
    package var spec: ServiceSpec
    package var rollout: RolloutRecord?
    package var replicas: [ReplicaStatus]
    /// Added up over the gateways' newest samples.
    package var load: LoadSummary
    /// The newest decision.
    package var decision: Decision?

    package init(
        record: ServiceRecord, spec: ServiceSpec, rollout: RolloutRecord?, replicas: [ReplicaStatus], load: LoadSummary,
        decision: Decision?
    ) {
        self.record = record
        self.spec = spec
        self.rollout = rollout
        self.replicas = replicas
        self.load = load
        self.decision = decision
    }
}

package struct LoadSummary: Hashable, Sendable, Codable {
    package var inflight: Int
    package var held: Int
    package var requestsPerSecond: Double

    package init(inflight: Int = 0, held: Int = 0, requestsPerSecond: Double = 0) {
        self.inflight = inflight
        self.held = held
        self.requestsPerSecond = requestsPerSecond
    }
}

package struct ReplicaStatus: Hashable, Sendable, Codable {
    package var record: ReplicaRecord
    package var observed: ObservedReplica?

    package init(record: ReplicaRecord, observed: ObservedReplica?) {
        self.record = record
        self.observed = observed
    }
}

package struct HostStatus: Hashable, Sendable, Codable {
    package var record: HostRecord
    /// `alive`, `suspected`, `lost` or `unknown`.
    package var liveness: String
    package var version: String?
    package var replicas: Int
    package var online: Int

    package init(record: HostRecord, liveness: String, version: String?, replicas: Int, online: Int) {
        self.record = record
        self.liveness = liveness
        self.version = version
        self.replicas = replicas
        self.online = online
    }
}

/// Body of `POST /v1/services/NAME/scale`: exactly one of a fixed count and automatic.
package struct ScaleRequest: Hashable, Sendable, Codable {
    /// Replicas to keep online until changed; nil hands the count back to the autoscaler.
    package var online: Int?

    package init(online: Int?) { self.online = online }
}

/// Body of `POST /v1/services/NAME/rollout`.
package struct RolloutRequest: Hashable, Sendable, Codable {
    package enum Action: String, Hashable, Sendable, Codable {
        /// Starts a rollout to `image` (a new revision with only the image changed), or restarts the current revision when nil.
        case start
        case pause
        case resume
        /// Back to `revision`, or to the one before the current when nil.
        case undo
    }

    package var action: Action
    package var image: String?
    package var revision: Int?

    package init(action: Action, image: String? = nil, revision: Int? = nil) {
        self.action = action
        self.image = image
        self.revision = revision
    }
}
