import AgentProtocol
import Logging
import NIOCore
import SidekickModel

/// Turns one connection's bytes into session events and keeps its heartbeat. It lives on its channel's event loop.
final class SessionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let session: AgentSession
    private let timings: ControllerTimings
    private let logs: LogRelay
    private let deliver: @Sendable (SessionEvent) -> Void
    private let logger: Logger
    private var decoder = FrameDecoder()
    private var greeted = false
    private var heard = NIODeadline.now()
    private var beat: RepeatedTask?
    private var helloDeadline: Scheduled<Void>?
    private var closing = "the agent closed the connection"

    init(
        session: AgentSession, timings: ControllerTimings, logs: LogRelay, logger: Logger,
        deliver: @escaping @Sendable (SessionEvent) -> Void
    ) {
        self.session = session
        self.timings = timings
        self.logs = logs
        self.deliver = deliver
        self.logger = logger
    }

    func channelActive(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        helloDeadline = context.eventLoop.scheduleTask(in: .milliseconds(timings.hello.count)) {
            let (handler, context) = bound.value
            if !handler.greeted { handler.close(context, "it said no hello within \(handler.timings.hello)") }
        }
        let interval = TimeAmount.milliseconds(timings.heartbeat.count)
        beat = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let (handler, context) = bound.value
            handler.heartbeat(context)
        }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        heard = .now()
        decoder.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        do {
            while let frame = try decoder.next() {
                do {
                    receive(try AgentMessage(frame: frame), context)
                } catch  where error.isSkippable {
                    logger.debug("\(session.remote): \(error)")
                }
            }
        } catch {
            close(context, "\(error)")
        }
    }

    private func receive(_ message: AgentMessage, _ context: ChannelHandlerContext) {
        switch message {
        case .hello(let identity, let secret, let observed):
            guard !greeted else { return close(context, "it said hello twice") }
            greeted = true
            helloDeadline?.cancel()
            deliver(.hello(session, identity, secret: secret, observed))
        case _ where !greeted: close(context, "its first message was no hello")
        case .logs(let request, let bytes, let end, let failure): logs.receive(request, bytes, end: end, failure: failure)
        case .observed, .load, .heartbeat: deliver(.message(session, message))
        }
    }

    private func heartbeat(_ context: ChannelHandlerContext) {
        guard greeted else { return }
        if heard + .milliseconds(timings.sessionSilence.count) < .now() {
            return close(context, "nothing was heard for \(timings.sessionSilence)")
        }
        session.send(.heartbeat)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !context.channel.isWritable { close(context, "it does not read what is sent to it") }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close(context, "\(error)") }

    func channelInactive(context: ChannelHandlerContext) {
        beat?.cancel()
        helloDeadline?.cancel()
        logs.sessionEnded(session.id)
        deliver(.closed(session, reason: closing))
        context.fireChannelInactive()
    }

    private func close(_ context: ChannelHandlerContext, _ reason: String) {
        closing = reason
        logger.info("closing the session with \(session.remote): \(reason)")
        context.close(promise: nil)
    }
}
