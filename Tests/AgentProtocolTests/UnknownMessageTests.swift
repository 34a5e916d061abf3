import AgentProtocol
import SidekickModel
import Testing

struct UnknownMessageTests {
    @Test(arguments: [0x01ff, 0x0106] as [UInt16])
    func `a newer message type may be skipped`(type: UInt16) {
        let error = #expect(throws: ProtocolError.self) { try AgentMessage(frame: Frame(type: type, payload: [1, 2, 3])) }
        #expect(error == .unknownType(type))
        #expect(error?.isSkippable == true)
    }

    @Test func `each side refuses the other side's messages`() throws {
        let frames = try [
            Samples.agentMessages.map { try onlyFrame($0.frame()) },
            Samples.controllerMessages.map { try onlyFrame($0.frame()) },
            Samples.gatewayMessages.map { try onlyFrame($0.frame()) },
            Samples.gatewayOrders.map { try onlyFrame($0.frame()) },
        ]
        let readers: [(Frame) throws -> Void] = [
            { _ = try AgentMessage(frame: $0) }, { _ = try ControllerMessage(frame: $0) },
            { _ = try GatewayMessage(frame: $0) }, { _ = try GatewayOrder(frame: $0) },
        ]
        for (sender, sent) in frames.enumerated() {
            for (reader, read) in readers.enumerated() where reader != sender {
                for frame in sent {
                    let error = #expect(throws: ProtocolError.self) { try read(frame) }
                    #expect(error == .unexpectedType(frame.type))
                    #expect(error?.isSkippable == false)
                }
            }
        }
    }

    @Test func `a field from a newer version is ignored`() throws {
        // Field 1000, a length-delimited value of two bytes, after the payload.
        let newer: [UInt8] = [0xc2, 0x3e, 2, 9, 9]
        for message in Samples.controllerMessages where message != .heartbeat {
            var frame = try onlyFrame(message.frame())
            frame.payload += newer
            #expect(try ControllerMessage(frame: frame) == message)
        }
    }

    @Test func `a spec from an older version gets this version's defaults`() throws {
        // Assignments { specs: { service: "a", image: "b" }, assignments: { replica: 1, desired: online } }
        let payload: [UInt8] = [0x0a, 6, 0x0a, 1, 0x61, 0x12, 1, 0x62, 0x12, 4, 0x08, 1, 0x28, 40]
        let message = try ControllerMessage(frame: Frame(type: 0x0203, payload: payload))
        let expected = Assignment(
            replica: ReplicaID(1), service: "", revision: 0, generation: 0, desired: .rung(.online),
            spec: ServiceSpec(service: "a", image: "b"), imageDigest: "")
        #expect(message == .assignments([expected]))
    }

    struct Malformed: Sendable {
        var why: String
        var type: UInt16
        var payload: [UInt8]
    }

    static let malformed = [
        Malformed(why: "a hello without identity", type: 0x0101, payload: []),
        Malformed(why: "a sync without assignments would remove everything", type: 0x0201, payload: [0x08, 1]),
        Malformed(why: "an assignment whose spec is not there", type: 0x0203, payload: [0x12, 4, 0x08, 1, 0x28, 40]),
        Malformed(why: "an assignment without desired state", type: 0x0203, payload: [0x0a, 0, 0x12, 2, 0x08, 1]),
        Malformed(why: "an unknown phase", type: 0x0102, payload: [0x0a, 2, 0x28, 11]),
        Malformed(why: "a negative count", type: 0x0303, payload: [0x18] + [UInt8](repeating: 0xff, count: 9) + [1]),
        Malformed(
            why: "a count that would overflow sums", type: 0x0303, payload: [0x18] + [UInt8](repeating: 0xff, count: 8) + [0x7f]),
        Malformed(why: "not a number", type: 0x0303, payload: [0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]),
        Malformed(why: "infinity", type: 0x0303, payload: [0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f]),
        Malformed(why: "no replica drained", type: 0x0304, payload: []),
        Malformed(why: "text that is not UTF-8", type: 0x0202, payload: [0x0a, 1, 0xff]),
    ]

    @Test(arguments: malformed) func `what cannot be meant is refused`(case: Malformed) {
        let frame = Frame(type: `case`.type, payload: `case`.payload)
        let error = #expect(throws: ProtocolError.self, "\(`case`.why)") {
            switch frame.type >> 8 {
            case 1: _ = try AgentMessage(frame: frame)
            case 2: _ = try ControllerMessage(frame: frame)
            default: _ = try GatewayMessage(frame: frame)
            }
        }
        guard case .malformed(let type, _)? = error else {
            Issue.record("\(`case`.why) gave \(String(describing: error))")
            return
        }
        #expect(type == frame.type)
    }
}
