import SidekickModel
import SwiftProtobuf

extension ControllerMessage {
    /// The message as it goes on the wire, header included.
    package func frame() -> [UInt8] {
        let frame =
            switch self {
            case .sync(let epoch, let assignments, let routes):
                Frame(
                    .controllerSync,
                    WireControllerSync.with {
                        $0.epoch = epoch
                        $0.assignments = WireAssignments(assignments)
                        $0.routes = routes.map(WireServiceRoute.init)
                    })
            case .refused(let reason):
                Frame(.controllerRefused, WireRefused.with { $0.reason = reason })
            case .assignments(let assignments):
                Frame(.controllerAssignments, WireAssignments(assignments))
            case .routes(let routes):
                Frame(.controllerRoutes, WireRoutes.with { $0.routes = routes.map(WireServiceRoute.init) })
            case .removeRoutes(let services):
                Frame(.controllerRemoveRoutes, WireServiceNames.with { $0.services = services })
            case .removeVolumes(let services):
                Frame(.controllerRemoveVolumes, WireServiceNames.with { $0.services = services })
            case .forget(let replicas):
                Frame(.controllerForget, WireReplicaIDs.with { $0.replicas = replicas.map(\.number) })
            case .readLogs(let request, let replica, let tail, let follow):
                Frame(
                    .controllerReadLogs,
                    WireReadLogs.with {
                        $0.request = request
                        $0.replica = replica.number
                        $0.tail = Int64(tail)
                        $0.follow = follow
                    })
            case .cancelLogs(let request):
                Frame(.controllerCancelLogs, WireCancelLogs.with { $0.request = request })
            case .heartbeat:
                Frame(.controllerHeartbeat, WireHeartbeat())
            case .peering(let secret):
                Frame(.controllerPeering, WirePeering.with { $0.secret = secret })
            }
        return frame.bytes
    }

    /// Reads a frame a controller sent. Numbers are bounded, so that no sum or conversion of them can overflow.
    package init(frame: Frame) throws(ProtocolError) {
        switch try MessageType.of(frame, from: .controller) {
        case .controllerSync:
            self = try frame.decode(WireControllerSync.self) { (sync) throws(WireProblem) in
                // An empty one is present too; without it, a sync would remove every replica of the host.
                guard sync.hasAssignments else { throw WireProblem("sync.assignments", "is missing") }
                return .sync(
                    epoch: try identifier(sync.epoch, "sync.epoch"), assignments: try sync.assignments.model(),
                    routes: try models(sync.routes))
            }
        case .controllerRefused:
            self = try frame.decode(WireRefused.self) { .refused(reason: $0.reason) }
        case .controllerAssignments:
            self = try frame.decode(WireAssignments.self) { (assignments) throws(WireProblem) in
                .assignments(try assignments.model())
            }
        case .controllerRoutes:
            self = try frame.decode(WireRoutes.self) { (routes) throws(WireProblem) in .routes(try models(routes.routes)) }
        case .controllerRemoveRoutes:
            self = try frame.decode(WireServiceNames.self) { .removeRoutes($0.services) }
        case .controllerRemoveVolumes:
            self = try frame.decode(WireServiceNames.self) { .removeVolumes($0.services) }
        case .controllerForget:
            self = try frame.decode(WireReplicaIDs.self) { (ids) throws(WireProblem) in
                .forget(try ids.replicas.map { (id) throws(WireProblem) in ReplicaID(try identifier(id, "forget")) })
            }
        case .controllerReadLogs:
            self = try frame.decode(WireReadLogs.self) { (logs) throws(WireProblem) in
                .readLogs(
                    request: try identifier(logs.request, "readLogs.request"),
                    replica: ReplicaID(try identifier(logs.replica, "readLogs.replica")),
                    tail: try count(logs.tail, "readLogs.tail"), follow: logs.follow)
            }
        case .controllerCancelLogs:
            self = try frame.decode(WireCancelLogs.self) { (cancel) throws(WireProblem) in
                .cancelLogs(request: try identifier(cancel.request, "cancelLogs.request"))
            }
        case .controllerHeartbeat:
            self = .heartbeat
        case .controllerPeering:
            self = try frame.decode(WirePeering.self) { .peering(secret: $0.secret) }
        default:
            throw .unexpectedType(frame.type)
        }
    }
}
