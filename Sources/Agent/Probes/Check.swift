import NIOCore
import NIOPosix
import SidekickModel

/// One look at a replica over its network. `done` is called once, on the event loop, with nil when all is well or what was wrong.
enum Check {
    typealias Done = @Sendable (_ failure: String?) -> Void

    static func tcp(_ endpoint: SocketAddress, on loop: any EventLoop, timeout: TimeAmount, done: @escaping Done) {
        ClientBootstrap(group: loop).connectTimeout(timeout).connect(to: endpoint).whenComplete {
            switch $0 {
            case .success(let channel):
                channel.close(promise: nil)
                done(nil)
            case .failure(let error): done(describe(error, endpoint))
            }
        }
    }

    /// Asks one question and judges the answer.
    static func ask(
        _ endpoint: SocketAddress, _ question: CheckQuestion, speaking speaks: PortProtocol, on loop: any EventLoop,
        connectTimeout: TimeAmount, timeout: TimeAmount, done: @escaping Done
    ) {
        let answered = loop.makePromise(of: String?.self)
        let late = loop.scheduleTask(in: timeout) {
            answered.fail(CheckFailure("no answer within \(timeout.nanoseconds / 1_000_000) ms"))
        }
        let connected = ClientBootstrap(group: loop).connectTimeout(min(connectTimeout, timeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    let host = describe(endpoint)
                    switch speaks {
                    case .http1: try pipeline.addHandler(HTTPCheckHandler(question, host: host, answered: answered))
                    case .h2c: try pipeline.addHandler(HTTP2CheckHandler(question, host: host, answered: answered))
                    }
                }
            }.connect(to: endpoint)
        connected.whenFailure { answered.fail($0) }
        answered.futureResult.whenComplete {
            late.cancel()
            connected.whenSuccess { $0.close(promise: nil) }
            switch $0 {
            case .success(let failure): done(failure)
            case .failure(let error): done(describe(error, endpoint))
            }
        }
    }

    private static func describe(_ endpoint: SocketAddress) -> String {
        "\(endpoint.ipAddress ?? "?"):\(endpoint.port ?? 0)"
    }

    private static func describe(_ error: any Error, _ endpoint: SocketAddress) -> String {
        switch error {
        case let failure as CheckFailure: failure.message
        case let error as IOError:
            "connecting to \(describe(endpoint)): \(error.errnoCode == 111 ? "connection refused" : "\(error)")"
        case is ChannelError: "connecting to \(describe(endpoint)): no answer"
        default: "connecting to \(describe(endpoint)): \(error)"
        }
    }
}

struct CheckFailure: Error {
    let message: String
    init(_ message: String) { self.message = message }
}

/// Asks for one path and reads no more than the status line.
private final class HTTPCheckHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let question: CheckQuestion
    private let host: String
    private let answered: EventLoopPromise<String?>
    private var head: [UInt8] = []

    init(_ question: CheckQuestion, host: String, answered: EventLoopPromise<String?>) {
        self.question = question
        self.host = host
        self.answered = answered
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: question.request(host: host))), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        head += unwrapInboundIn(data).readableBytesView.prefix(16)
        // `HTTP/1.1 200`
        guard head.count >= 12 else { return }
        if head.starts(with: Array("HTTP/1.".utf8)), let status = Int(String(decoding: head[9..<12], as: UTF8.self)) {
            answered.succeed(question.failure(status: status, body: [], fields: [:]))
        } else {
            answered.fail(CheckFailure("the request was not answered in HTTP/1"))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        answered.fail(CheckFailure("the connection was closed without an answer"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answered.fail(error)
        context.close(promise: nil)
    }
}
