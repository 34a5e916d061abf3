import SidekickModel
import SwiftProtobuf

extension GatewayMessage {
    /// The message as it goes on the wire, header included.
    package func frame() -> [UInt8] {
        let frame =
            switch self {
            case .hello(let version, let pid):
                Frame(
                    .gatewayHello,
                    WireGatewayHello.with {
                        $0.version = version
                        $0.pid = Int64(pid)
                    })
            case .load(let samples):
                Frame(.gatewayLoad, WireLoadSamples.with { $0.samples = samples.map(WireLoadSample.init) })
            case .held(let sample):
                Frame(.gatewayHeld, WireLoadSample(sample))
            case .drained(let replica, let number):
                Frame(
                    .gatewayDrained,
                    WireGatewayDrained.with {
                        $0.replicas = [replica.number]
                        $0.number = number
                    })
            case .unreachable(let replica):
                Frame(.gatewayUnreachable, WireReplicaIDs.with { $0.replicas = [replica.number] })
            }
        return frame.bytes
    }

    /// Reads a frame a gateway sent. Numbers are bounded, so that no sum or conversion of them can overflow.
    package init(frame: Frame) throws(ProtocolError) {
        switch try MessageType.of(frame, from: .gateway) {
        case .gatewayHello:
            self = try frame.decode(WireGatewayHello.self) { (hello) throws(WireProblem) in
                .hello(version: hello.version, pid: try count(hello.pid, "hello.pid"))
            }
        case .gatewayLoad:
            self = try frame.decode(WireLoadSamples.self) { (load) throws(WireProblem) in .load(try models(load.samples)) }
        case .gatewayHeld:
            self = try frame.decode(WireLoadSample.self) { (sample) throws(WireProblem) in .held(try sample.model()) }
        case .gatewayDrained:
            self = try frame.decode(WireGatewayDrained.self) { (drained) throws(WireProblem) in
                .drained(try onlyReplica(drained.replicas), number: try identifier(drained.number, "drained.number"))
            }
        case .gatewayUnreachable:
            self = try frame.decode(WireReplicaIDs.self) { (ids) throws(WireProblem) in
                .unreachable(try onlyReplica(ids.replicas))
            }
        default:
            throw .unexpectedType(frame.type)
        }
    }
}

private func onlyReplica(_ replicas: [Int64]) throws(WireProblem) -> ReplicaID {
    guard replicas.count == 1 else { throw WireProblem("replicas", "has \(replicas.count) entries instead of one") }
    return ReplicaID(try identifier(replicas[0], "replicas"))
}

extension GatewayOrder {
    /// The message as it goes on the wire, header included.
    package func frame() -> [UInt8] {
        let frame =
            switch self {
            case .sync(let services):
                Frame(.orderSync, WireGatewayServices.with { $0.services = services.map(WireGatewayService.init) })
            case .service(let service):
                Frame(.orderService, WireGatewayService(service))
            case .removeService(let service):
                Frame(.orderRemoveService, WireServiceNames.with { $0.services = [service] })
            case .peering(let secret):
                Frame(.orderPeering, WirePeering.with { $0.secret = secret })
            }
        return frame.bytes
    }

    /// Reads a frame an agent sent to its gateway. Numbers are bounded, so that no sum or conversion of them can overflow.
    package init(frame: Frame) throws(ProtocolError) {
        switch try MessageType.of(frame, from: .agentToGateway) {
        case .orderSync:
            self = try frame.decode(WireGatewayServices.self) { (sync) throws(WireProblem) in
                .sync(try models(sync.services))
            }
        case .orderService:
            self = try frame.decode(WireGatewayService.self) { (service) throws(WireProblem) in
                .service(try service.model())
            }
        case .orderRemoveService:
            self = try frame.decode(WireServiceNames.self) { (names) throws(WireProblem) in
                guard names.services.count == 1 else {
                    throw WireProblem("services", "has \(names.services.count) entries instead of one")
                }
                return .removeService(names.services[0])
            }
        case .orderPeering:
            self = try frame.decode(WirePeering.self) { .peering(secret: $0.secret) }
        default:
            throw .unexpectedType(frame.type)
        }
    }
}
