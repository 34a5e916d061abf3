import ControlAPI
import Orchestration
import SidekickModel

/// What operators see, as of the last commit and the newest reports.
extension Conductor {
    func statuses() -> [ServiceStatus] { book.services.keys.sorted().compactMap { status(of: $0) } }

    func requireStatus(of name: String) throws(APIFailure) -> ServiceStatus {
        guard let status = status(of: name) else { throw Self.noService(name) }
        return status
    }

    func statuses(of names: Set<String>) -> [ServiceStatus] { names.sorted().compactMap { status(of: $0) } }

    private func status(of name: String) -> ServiceStatus? {
        guard let service = book.services[name], let spec = service.revisions[service.record.revision]?.spec else { return nil }
        let newest = service.load.newest(service: name)
        let rate = newest.seconds > 0 ? Double(newest.completions) / newest.seconds : 0
        return ServiceStatus(
            record: service.record, spec: spec, rollout: service.rollout,
            replicas: service.replicas.compactMap { book.replicas[$0] }.map {
                ReplicaStatus(record: $0.record, observed: $0.observed)
            },
            load: LoadSummary(inflight: newest.inflight, held: newest.queue, requestsPerSecond: rate), decision: service.decision)
    }

    func hostStatuses() -> [HostStatus] {
        liveness.advance(to: clock.now())
        return book.hosts.values.sorted { $0.name < $1.name }.map { host in
            let replicas = (book.replicasOfHost[host.name] ?? []).compactMap { book.replicas[$0] }
            return HostStatus(
                record: host, liveness: liveness.liveness(of: host.name).rawValue, version: versions[host.name],
                replicas: replicas.count,
                online: replicas.count { $0.observed?.ready == true && $0.observed?.rung == .online })
        }
    }

    /// The session of the host that has the replica.
    func session(of replica: ReplicaID) throws(APIFailure) -> AgentSession {
        guard let record = book.replicas[replica]?.record else {
            throw APIFailure(.notFound, "there is no replica \(replica); ‘sidekick status SERVICE’ lists a service's replicas")
        }
        guard let session = sessions[record.host] else {
            throw APIFailure(
                .unavailable, "the log of \(replica) is on host \(record.host), which is not connected; try again once it is")
        }
        return session
    }

    /// The load of the service since what was last recorded of it.
    func openLoad(of name: String) throws(APIFailure) -> LoadRecord? {
        guard let service = book.services[name] else { throw Self.noService(name) }
        return service.recorder.open
    }

    func requireService(_ name: String) throws(APIFailure) {
        if book.services[name] == nil { throw Self.noService(name) }
    }

    func revision(_ number: Int?, of name: String) throws(APIFailure) -> Revision {
        guard let service = book.services[name] else { throw Self.noService(name) }
        guard let revision = service.revisions[number ?? service.record.revision] else {
            throw APIFailure(.notFound, "service \(name) has no revision \(number ?? service.record.revision)")
        }
        return revision
    }

    static func noService(_ name: String) -> APIFailure {
        APIFailure(.notFound, "there is no service \(name); ‘sidekick list’ shows those there are")
    }

    var imagesInUse: Set<String> { book.imagesInUse }
}
