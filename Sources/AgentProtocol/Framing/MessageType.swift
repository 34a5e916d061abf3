/// The frame type of every message: the high byte says who sends it, the low byte which message. Never reuse a number.
enum MessageType: UInt16, CaseIterable {
    // Agent to controller.
    case agentHello = 0x0101
    case agentObserved = 0x0102
    case agentLoad = 0x0103
    case agentLogs = 0x0104
    case agentHeartbeat = 0x0105
    // Controller to agent.
    case controllerSync = 0x0201
    case controllerRefused = 0x0202
    case controllerAssignments = 0x0203
    case controllerRoutes = 0x0204
    case controllerRemoveRoutes = 0x0205
    case controllerForget = 0x0206
    case controllerReadLogs = 0x0207
    case controllerCancelLogs = 0x0208
    case controllerHeartbeat = 0x0209
    case controllerPeering = 0x020A
    case controllerRemoveVolumes = 0x0210
    // Gateway to agent.
    case gatewayHello = 0x0301
    case gatewayLoad = 0x0302
    case gatewayHeld = 0x0303
    case gatewayDrained = 0x0304
    case gatewayUnreachable = 0x0305
    // Agent to gateway.
    case orderSync = 0x0401
    case orderService = 0x0402
    case orderRemoveService = 0x0403
    case orderPeering = 0x0404

    /// Who may send a message: the high byte of its type.
    enum Sender: UInt16 {
        case agent = 0x01
        case controller = 0x02
        case gateway = 0x03
        case agentToGateway = 0x04
    }

    /// The type of a frame from `sender`; a type of that sender's range that is not listed here comes from a newer peer.
    static func of(_ frame: Frame, from sender: Sender) throws(ProtocolError) -> MessageType {
        guard frame.type >> 8 == sender.rawValue else { throw .unexpectedType(frame.type) }
        guard let type = MessageType(rawValue: frame.type) else { throw .unknownType(frame.type) }
        return type
    }
}
