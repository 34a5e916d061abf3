import AgentProtocol
import NIOCore
import SidekickModel

/// One agent's connection, as the rest of the controller holds it. Messages arrive in the order in which one thread sends them.
final class AgentSession: Sendable, Identifiable {
    let id: Int64
    private let channel: any Channel

    init(id: Int64, channel: any Channel) {
        self.id = id
        self.channel = channel
    }

    var remote: String { channel.remoteAddress.map { "\($0)" } ?? "an unknown address" }

    func send(_ message: ControllerMessage) { send(bytes: message.frame()) }

    /// Sends a frame that was encoded once for many.
    func send(bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

    /// As `send`, and says when the message cannot leave any more.
    func send(_ message: ControllerMessage, undelivered: @escaping @Sendable () -> Void) {
        channel.writeAndFlush(ByteBuffer(bytes: message.frame())).whenFailure { _ in undelivered() }
    }

    func close() { channel.close(promise: nil) }

    /// Tells the agent why it is not let in, then closes.
    func refuse(_ reason: String) {
        let channel = channel
        channel.writeAndFlush(ByteBuffer(bytes: ControllerMessage.refused(reason: reason).frame())).whenComplete { _ in
            channel.close(promise: nil)
        }
    }
}

/// What the dispatcher tells the conductor.
enum SessionEvent: Sendable {
    case hello(AgentSession, HostIdentity, secret: String, [ObservedReplica])
    case message(AgentSession, AgentMessage)
    case closed(AgentSession, reason: String)
}
