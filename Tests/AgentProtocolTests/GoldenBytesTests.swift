import AgentProtocol
import SidekickModel
import Testing

/// Bytes that releases have sent: they must be read for ever, and a change here is a change of protocol.
struct GoldenBytesTests {
    private let golden = GoldenFrames.text.split(separator: "\n\n").map { $0.filter { $0 != "\n" } }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap { $0.hexDigitValue }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    @Test func `every message is sent as it was by the first release`() {
        #expect(Samples.allFrames.map(hex) == golden)
    }

    @Test func `what the first release sent is still read`() throws {
        var frames = golden.map(bytes)[...]
        for message in Samples.agentMessages { #expect(try AgentMessage(frame: onlyFrame(frames.removeFirst())) == message) }
        for message in Samples.controllerMessages {
            #expect(try ControllerMessage(frame: onlyFrame(frames.removeFirst())) == message)
        }
        for message in Samples.gatewayMessages { #expect(try GatewayMessage(frame: onlyFrame(frames.removeFirst())) == message) }
        for message in Samples.gatewayOrders { #expect(try GatewayOrder(frame: onlyFrame(frames.removeFirst())) == message) }
        #expect(frames.isEmpty)
    }

    @Test func `the heartbeat is a bare header`() {
        #expect(hex(AgentMessage.heartbeat.frame()) == "5301010500000000")
        #expect(hex(ControllerMessage.heartbeat.frame()) == "5301020900000000")
    }

    @Test func `a drained notice names its replica`() {
        #expect(hex(GatewayMessage.drained(ReplicaID(300)).frame()) == "53010304000000040a02ac02")
    }
}
