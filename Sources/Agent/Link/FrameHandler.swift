import AgentProtocol
import Logging
import NIOCore

/// Cuts what a peer sends into frames. A peer that says what cannot be understood is disconnected, for nothing after it can be
/// trusted.
final class FrameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var decoder = FrameDecoder()
    private let logger: Logger
    private let opened: (any Channel) -> Void
    private let received: (Frame) throws(ProtocolError) -> Void
    private let closed: () -> Void

    /// The closures are called on the channel's event loop.
    init(
        logger: Logger, opened: @escaping (any Channel) -> Void, received: @escaping (Frame) throws(ProtocolError) -> Void,
        closed: @escaping () -> Void
    ) {
        self.logger = logger
        self.opened = opened
        self.received = received
        self.closed = closed
    }

    func channelActive(context: ChannelHandlerContext) { opened(context.channel) }

    func channelInactive(context: ChannelHandlerContext) { closed() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        do throws(ProtocolError) {
            while let frame = try decoder.next() { try take(frame) }
        } catch {
            logger.warning("a peer is disconnected", metadata: ["error": "\(error)"])
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("a connection broke", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    private func take(_ frame: Frame) throws(ProtocolError) {
        do {
            try received(frame)
        } catch  where error.isSkippable {
            logger.debug("a message is skipped", metadata: ["error": "\(error)"])
        }
    }
}

extension Channel {
    /// Sends a message's bytes; a peer that is gone is noticed by its connection closing.
    func send(_ bytes: [UInt8]) {
        writeAndFlush(allocator.buffer(bytes: bytes), promise: nil)
    }
}
