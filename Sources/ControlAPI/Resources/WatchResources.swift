package import SidekickModel

/// One item of `GET /v1/watch`, a stream of server-sent events: first every service as it is, then whatever changes. Changes of one service
/// that follow each other quickly arrive as one.
package enum WatchItem: Hashable, Sendable {
    /// Event `service`: the service is like this now.
    case service(ServiceStatus)
    /// Event `serviceGone`: the service of this name is no more.
    case serviceGone(String)
    /// Event `event`.
    case event(FleetEvent)
    /// Event `decision`.
    case decision(Decision)
}

/// Body of `POST /v1/hosts/NAME`.
package struct HostRequest: Hashable, Sendable, Codable {
    package enum Action: String, Hashable, Sendable, Codable {
        /// No new replica is placed on the host.
        case cordon
        /// Takes `cordon` and `drain` back.
        case uncordon
        /// Its replicas are moved elsewhere, and no new one is placed on it.
        case drain
        /// The host is no part of the fleet any more; only when it is lost or has no replica.
        case remove
    }

    package var action: Action

    package init(action: Action) { self.action = action }
}

/// Body of `POST /v1/backup`: the controller writes a consistent copy of its database while it works on.
package struct BackupRequest: Hashable, Sendable, Codable {
    /// Absolute path on the controller's host; nothing may be there yet.
    package var path: String

    package init(path: String) { self.path = path }
}

package struct BackupSummary: Hashable, Sendable, Codable {
    package var path: String
    /// Bytes.
    package var size: Int64

    package init(path: String, size: Int64) {
        self.path = path
        self.size = size
    }
}
