package import SidekickModel

/// Which other hosts' gateways each host is told of for a service.
package enum PeerPlan {
    /// What is known of one host's gateway.
    package struct Gateway: Hashable, Sendable {
        /// nil when it takes no requests of other gateways.
        package var address: String?
        package var zone: String
        package var liveness: HostView.Liveness

        package init(address: String?, zone: String, liveness: HostView.Liveness) {
            self.address = address
            self.zone = zone
            self.liveness = liveness
        }
    }

    /// The most peers a service's route lists: enough for any one gateway to find a live one, few enough to be told to every host.
    package static let limit = 32

    /// The gateways behind which the service has replicas that serve or could be brought to, those with serving ones first. nil while a
    /// host that has replicas has not reported since the controller started: what gateways were told before is better.
    ///
    /// Beyond the limit zones take turns, so that every zone keeps near ones; within a zone the order is by a hash of service and host,
    /// so that not every service leans on the same hosts.
    package static func peers(of service: ServiceView, gateway: (String) -> Gateway?) -> [RoutePeer]? {
        var counts: [String: (online: Int, standby: Int)] = [:]
        for replica in service.replicas {
            let kind = kind(of: replica)
            guard kind != .none else { continue }
            counts[replica.record.host, default: (0, 0)].online += kind == .online ? 1 : 0
            counts[replica.record.host, default: (0, 0)].standby += kind == .standby ? 1 : 0
        }
        for host in Set(service.replicas.map(\.record.host)) where gateway(host)?.liveness == .unknown { return nil }
        var zones: [String: [RoutePeer]] = [:]
        for (host, count) in counts {
            guard let known = gateway(host), let address = known.address, known.liveness != .lost else { continue }
            zones[known.zone, default: []].append(
                RoutePeer(
                    host: host, address: address, zone: known.zone, online: RoutePeer.rounded(count.online),
                    standby: RoutePeer.rounded(count.standby)))
        }
        return chosen(zones.sorted { $0.key < $1.key }.map { sorted($0.value, for: service.record.name) })
    }

    private enum Kind { case none, online, standby }

    /// Standby is whatever the host's own wake would bring online, or what is on its way there already.
    private static func kind(of replica: ReplicaView) -> Kind {
        guard replica.record.desired != .removed, let observed = replica.observed else { return .none }
        if observed.ready { return .online }
        switch observed.phase {
        case .starting, .settled, .draining: return observed.rung == nil && observed.phase != .starting ? .none : .standby
        case .stopping, .failed, .removed: return .none
        }
    }

    private static func sorted(_ peers: [RoutePeer], for service: String) -> [RoutePeer] {
        peers.map { ($0.online > 0 ? 0 : 1, hash(service + "/" + $0.host), $0) }
            .sorted { ($0.0, $0.1, $0.2.host) < ($1.0, $1.1, $1.2.host) }.map(\.2)
    }

    /// One of each zone in turn, as long as there is room.
    private static func chosen(_ zones: [[RoutePeer]]) -> [RoutePeer] {
        var peers: [RoutePeer] = []
        var turn = 0
        while peers.count < limit {
            let before = peers.count
            for zone in zones where turn < zone.count && peers.count < limit { peers.append(zone[turn]) }
            if peers.count == before { break }
            turn += 1
        }
        return peers.sorted { $0.host < $1.host }
    }

    /// FNV-1a.
    private static func hash(_ text: String) -> UInt32 {
        text.utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }
}
