import FoundationEssentials
import SidekickModel
import SwiftProtobuf

extension AgentMessage {
    /// The message as it goes on the wire, header included.
    package func frame() -> [UInt8] {
        let frame =
            switch self {
            case .hello(let identity, let secret, let observed):
                Frame(
                    .agentHello,
                    WireAgentHello.with {
                        $0.identity = WireHostIdentity(identity)
                        $0.secret = secret
                        $0.observed = observed.map(WireObservedReplica.init)
                    })
            case .observed(let replicas):
                Frame(.agentObserved, WireObserved.with { $0.replicas = replicas.map(WireObservedReplica.init) })
            case .load(let samples):
                Frame(.agentLoad, WireLoadSamples.with { $0.samples = samples.map(WireLoadSample.init) })
            case .logs(let request, let bytes, let end, let failure):
                Frame(
                    .agentLogs,
                    WireLogs.with {
                        $0.request = request
                        $0.bytes = .init(bytes)
                        $0.end = end
                        if let failure { $0.failure = failure }
                    })
            case .heartbeat:
                Frame(.agentHeartbeat, WireHeartbeat())
            }
        return frame.bytes
    }

    /// Reads a frame an agent sent. Numbers are bounded, so that no sum or conversion of them can overflow.
    package init(frame: Frame) throws(ProtocolError) {
        switch try MessageType.of(frame, from: .agent) {
        case .agentHello:
            self = try frame.decode(WireAgentHello.self) { (hello) throws(WireProblem) in
                guard hello.hasIdentity else { throw WireProblem("hello.identity", "is missing") }
                return .hello(
                    identity: try hello.identity.model(), secret: hello.secret, observed: try models(hello.observed))
            }
        case .agentObserved:
            self = try frame.decode(WireObserved.self) { (observed) throws(WireProblem) in
                .observed(try models(observed.replicas))
            }
        case .agentLoad:
            self = try frame.decode(WireLoadSamples.self) { (load) throws(WireProblem) in .load(try models(load.samples)) }
        case .agentLogs:
            self = try frame.decode(WireLogs.self) { (logs) throws(WireProblem) in
                .logs(
                    request: try identifier(logs.request, "logs.request"), bytes: [UInt8](logs.bytes), end: logs.end,
                    failure: logs.hasFailure ? logs.failure : nil)
            }
        case .agentHeartbeat:
            self = .heartbeat
        default:
            throw .unexpectedType(frame.type)
        }
    }
}

func models(_ wire: [WireObservedReplica]) throws(WireProblem) -> [ObservedReplica] {
    try wire.map { (replica) throws(WireProblem) in try replica.model() }
}

func models(_ wire: [WireLoadSample]) throws(WireProblem) -> [LoadSample] {
    try wire.map { (sample) throws(WireProblem) in try sample.model() }
}

func models(_ wire: [WireServiceRoute]) throws(WireProblem) -> [ServiceRoute] {
    try wire.map { (route) throws(WireProblem) in try route.model() }
}

func models(_ wire: [WireGatewayService]) throws(WireProblem) -> [GatewayService] {
    try wire.map { (service) throws(WireProblem) in try service.model() }
}
