import AgentProtocol
import NIOCore
import SidekickModel

/// One connection to the controller, from hello to its end. Used on its event loop only.
final class Session {
    let channel: any Channel
    var isSynced = false
    private let silence: TimeAmount
    private var lastHeard = NIODeadline.now()
    private var beats: RepeatedTask?

    /// - Parameter beats: what calls `beat` again and again.
    init(_ channel: any Channel, silence: Milliseconds, beats: RepeatedTask) {
        self.channel = channel
        self.silence = .milliseconds(silence.count)
        self.beats = beats
    }

    /// - Parameter droppable: whether the message may be left out when the controller does not keep up: a newer one follows.
    func send(_ message: AgentMessage, droppable: Bool = false) {
        guard !droppable || (isSynced && channel.isWritable) else { return }
        channel.send(message.frame())
    }

    func heard() { lastHeard = .now() }

    /// Sends a heartbeat, or ends the connection when the other side has been silent for too long.
    func beat() {
        if lastHeard + silence < .now() {
            channel.close(promise: nil)
        } else {
            channel.send(AgentMessage.heartbeat.frame())
        }
    }

    func end() { beats?.cancel() }
}
