import ControlAPI
import ControllerStore
import Orchestration
import SidekickModel

extension Conductor {
    /// Cordons, drains or removes a host.
    func change(host name: String, _ action: HostRequest.Action) async throws(APIFailure) -> [HostStatus] {
        guard var record = book.hosts[name] else {
            throw APIFailure(.notFound, "there is no host \(name); ‘sidekick host list’ shows those there are")
        }
        let now = clock.now()
        var write: FleetWrite
        let event: FleetEvent
        switch action {
        case .cordon, .uncordon:
            record.cordoned = action == .cordon
            record.draining = false
            write = .host(record)
            event = FleetEvent(
                at: now, kind: .hostCordoned, host: name,
                message: action == .cordon ? "no new replica is placed on \(name)" : "replicas may be placed on \(name) again")
        case .drain:
            record.cordoned = true
            record.draining = true
            write = .host(record)
            event = FleetEvent(at: now, kind: .hostDraining, host: name, message: "the replicas of \(name) are moved elsewhere")
        case .remove:
            try checkRemovable(name)
            write = .removeHost(name)
            event = FleetEvent(at: now, kind: .hostLost, host: name, message: "\(name) was removed by an operator")
        }
        let services = Set((book.replicasOfHost[name] ?? []).compactMap { book.replicas[$0]?.record.service })
        try await commit(for: "host \(name)", [write, .action(.event(event))])
        if action == .remove { forgetHost(name) }
        for service in services.union(book.services.keys) { touch(service) }
        return hostStatuses()
    }

    private func checkRemovable(_ name: String) throws(APIFailure) {
        let replicas = book.replicasOfHost[name]?.count ?? 0
        liveness.advance(to: clock.now())
        if replicas > 0, liveness.liveness(of: name) != .lost {
            throw APIFailure(
                .conflict, "host \(name) has \(replicas) replicas and is not lost: drain it first, then remove it")
        }
    }

    private func forgetHost(_ name: String) {
        liveness.removed(name)
        lastLiveness[name] = nil
        versions[name] = nil
        gateways[name] = nil
        book.forgetLoad(of: name)
        if let session = sessions.removeValue(forKey: name) {
            hostOfSession[session.id] = nil
            session.refuse("this host was removed from the fleet")
        }
    }
}
