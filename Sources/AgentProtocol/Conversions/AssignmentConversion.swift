import SidekickModel
import SwiftProtobuf

extension WireAssignments {
    init(_ assignments: [Assignment]) {
        self.init()
        var indexes: [ServiceSpec: UInt32] = [:]
        for assignment in assignments {
            if indexes[assignment.spec] == nil {
                indexes[assignment.spec] = UInt32(specs.count)
                specs.append(WireServiceSpec(assignment.spec))
            }
            self.assignments.append(WireAssignment(assignment, spec: indexes[assignment.spec] ?? 0))
        }
    }

    func model() throws(WireProblem) -> [Assignment] {
        let specs = try self.specs.map { (spec) throws(WireProblem) in try spec.model() }
        return try assignments.map { (assignment) throws(WireProblem) in
            guard assignment.spec < specs.count else { throw WireProblem("assignment.spec", "names no spec of the message") }
            return Assignment(
                replica: ReplicaID(try identifier(assignment.replica, "assignment.replica")), service: assignment.service,
                revision: try count(assignment.revision, "assignment.revision"),
                generation: try identifier(assignment.generation, "assignment.generation"),
                desired: try assignment.desired.model(), spec: specs[Int(assignment.spec)],
                imageDigest: assignment.imageDigest)
        }
    }
}

extension WireAssignment {
    init(_ assignment: Assignment, spec: UInt32) {
        self.init()
        replica = assignment.replica.number
        service = assignment.service
        revision = Int64(assignment.revision)
        generation = assignment.generation
        desired = WireDesired(assignment.desired)
        self.spec = spec
        imageDigest = assignment.imageDigest
    }
}

extension WireDesired {
    init(_ desired: DesiredState) {
        self =
            switch desired {
            case .rung(.staged): .staged
            case .rung(.prepared): .prepared
            case .rung(.frozen): .frozen
            case .rung(.online): .online
            case .removed: .removed
            }
    }

    func model() throws(WireProblem) -> DesiredState {
        switch self {
        case .staged: .rung(.staged)
        case .prepared: .rung(.prepared)
        case .frozen: .rung(.frozen)
        case .online: .rung(.online)
        case .removed: .removed
        case .unspecified: throw WireProblem("assignment.desired", "is missing")
        case .UNRECOGNIZED(let value): throw WireProblem("assignment.desired", "has the unknown value \(value)")
        }
    }
}

extension WireServiceRoute {
    init(_ route: ServiceRoute) {
        self.init()
        service = route.service
        generation = route.generation
        ingress = route.ingress.map(WireIngressRule.init)
        if let limit = route.concurrency { concurrency = Int64(limit) }
        holdDeadlineMs = route.holdDeadline.count
        holdLimit = Int64(route.holdLimit)
        maxOnline = Int64(route.maxOnline)
        revision = Int64(route.revision)
        if let list = route.peers { peers = WireRoutePeers.with { $0.peers = list.map(WireRoutePeer.init) } }
        shares = (route.shares ?? []).map { share in
            WireRevisionShare.with {
                $0.revision = Int64(share.revision)
                $0.percent = Int64(share.percent)
            }
        }
    }

    private static func share(_ share: WireRevisionShare) throws(WireProblem) -> RevisionShare {
        guard (0...100).contains(share.percent) else { throw WireProblem("route.shares", "\(share.percent) is no percentage") }
        return RevisionShare(revision: try count(share.revision, "route.shares"), percent: Int(share.percent))
    }

    func model() throws(WireProblem) -> ServiceRoute {
        var route = ServiceRoute(
            service: service, generation: try identifier(generation, "route.generation"),
            ingress: ingress.map { IngressRule(host: $0.host, path: $0.path) },
            concurrency: hasConcurrency ? try count(concurrency, "route.concurrency") : nil,
            holdDeadline: try milliseconds(holdDeadlineMs, "route.holdDeadline"),
            holdLimit: try count(holdLimit, "route.holdLimit"), maxOnline: try count(maxOnline, "route.maxOnline"),
            revision: try count(revision, "route.revision"), shares: shares.isEmpty ? nil : try shares.map(Self.share))
        if hasPeers { route.peers = try peers.peers.map { (peer) throws(WireProblem) in try peer.model() } }
        return route
    }
}

extension WireRoutePeer {
    init(_ peer: RoutePeer) {
        self.init()
        host = peer.host
        address = peer.address
        zone = peer.zone
        online = Int64(peer.online)
        standby = Int64(peer.standby)
    }

    func model() throws(WireProblem) -> RoutePeer {
        RoutePeer(
            host: host, address: address, zone: zone, online: try count(online, "peer.online"),
            standby: try count(standby, "peer.standby"))
    }
}
