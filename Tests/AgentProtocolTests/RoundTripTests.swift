import AgentProtocol
import SidekickModel
import Testing

struct RoundTripTests {
    @Test(arguments: Samples.agentMessages) func `an agent message comes back as it was sent`(message: AgentMessage) throws {
        #expect(try AgentMessage(frame: onlyFrame(message.frame())) == message)
    }

    @Test(arguments: Samples.controllerMessages + Samples.newerControllerMessages)
    func `a controller message comes back as it was sent`(message: ControllerMessage) throws {
        #expect(try ControllerMessage(frame: onlyFrame(message.frame())) == message)
    }

    @Test(arguments: Samples.gatewayMessages + Samples.newerGatewayMessages)
    func `a gateway message comes back as it was sent`(message: GatewayMessage) throws {
        #expect(try GatewayMessage(frame: onlyFrame(message.frame())) == message)
    }

    @Test(arguments: Samples.gatewayOrders + Samples.newerGatewayOrders)
    func `an order to the gateway comes back as it was sent`(message: GatewayOrder) throws {
        #expect(try GatewayOrder(frame: onlyFrame(message.frame())) == message)
    }

    @Test func `equal messages have equal bytes whatever order their dictionaries have`() {
        for _ in 0..<20 {
            var shuffled = Samples.identity
            shuffled.labels = Dictionary(uniqueKeysWithValues: Samples.identity.labels.shuffled())
            shuffled.labels.reserveCapacity(Int.random(in: 3...500))
            let frame = AgentMessage.hello(identity: shuffled, secret: "", observed: []).frame()
            #expect(frame == AgentMessage.hello(identity: Samples.identity, secret: "", observed: []).frame())
        }
    }

    @Test func `replicas of one revision share their spec on the wire`() {
        let one = ControllerMessage.assignments([Samples.assignment(1, .rung(.online))]).frame().count
        let hundred = ControllerMessage.assignments((1...100).map { Samples.assignment($0, .rung(.online)) }).frame().count
        #expect(hundred < one + 99 * 40)
    }
}
