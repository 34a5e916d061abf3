import HTTP2Translation
import HTTPFraming
import NIOCore
import SidekickModel

/// What a look at a replica asks, and what answer is well.
enum CheckQuestion {
    /// A path that is to be answered 2xx or 3xx.
    case http(path: String)
    /// gRPC's own health service (grpc.health.v1), about one service or, with an empty name, the server.
    case grpc(service: String)

    /// The request, in HTTP/1.1 and the last on its connection.
    func request(host: String) -> [UInt8] {
        switch self {
        case .http(let path):
            return Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: sidekick-probe\r\nConnection: close\r\n\r\n".utf8)
        case .grpc(let service):
            // HealthCheckRequest { string service = 1 }, behind five bytes of gRPC: not compressed, and the length.
            let name = Array(service.utf8)
            let message = name.isEmpty ? [] : [0x0A, UInt8(truncatingIfNeeded: name.count)] + name
            let head = """
                POST /grpc.health.v1.Health/Check HTTP/1.1\r
                Host: \(host)\r
                User-Agent: sidekick-probe\r
                Content-Type: application/grpc\r
                Content-Length: \(message.count + 5)\r\n\r\n
                """
            return Array(head.utf8) + [0, 0, 0, 0, UInt8(truncatingIfNeeded: message.count)] + message
        }
    }

    /// What is wrong with a response; nil when all is well.
    func failure(status: Int, body: [UInt8], fields: [String: String]) -> String? {
        switch self {
        case .http(let path): return (200..<400).contains(status) ? nil : "GET \(path) was answered \(status)"
        case .grpc(let service):
            let name = service.isEmpty ? "the server" : "‘\(service)’"
            guard status == 200 else { return "the health of \(name) was answered \(status)" }
            switch fields["grpc-status"] {
            case "0": break
            case "5": return "the server does not know the health of \(name)"
            case "12": return "the server has no health service (grpc.health.v1.Health)"
            case let code: return "asking for the health of \(name) failed with gRPC status \(code ?? "missing")"
            }
            // HealthCheckResponse { enum status = 1 }, of which 1 is SERVING; left out it is 0.
            return Array(body.dropFirst(5)) == [0x08, 1] ? nil : "\(name) says it is not serving"
        }
    }
}

extension Probe {
    /// What the probe asks over HTTP; nil for one that asks otherwise.
    var question: CheckQuestion? {
        if let http { return .http(path: http) }
        return grpc.map { .grpc(service: $0 == "*" ? "" : $0) }
    }
}

/// Asks one question in HTTP/2 without TLS.
final class HTTP2CheckHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// More than any answer to a check needs to have.
    private static let limit = 64 << 10

    private let question: CheckQuestion
    private let host: String
    /// nil when all is well, else what is wrong.
    private let answered: EventLoopPromise<String?>
    private let session = HTTP2Session(.client)
    private var stream: HTTP2Stream?
    private var bytes: [UInt8] = []

    init(_ question: CheckQuestion, host: String, answered: EventLoopPromise<String?>) {
        self.question = question
        self.host = host
        self.answered = answered
    }

    func channelActive(context: ChannelHandlerContext) {
        stream = session?.openStream()
        question.request(host: host).withUnsafeBytes { _ = stream?.send($0) }
        send(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        unwrapInboundIn(data).withUnsafeReadableBytes { session?.receive($0, now: 0) }
        _ = session?.takeNews()
        takeAnswer()
        send(context)
        if session?.failure != nil { answered.fail(CheckFailure("the port does not speak HTTP/2")) }
    }

    private func send(_ context: ChannelHandlerContext) {
        guard let session else { return }
        session.produce()
        guard !session.output.isEmpty else { return }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: session.output.bytes)), promise: nil)
        session.output.clear()
    }

    private func takeAnswer() {
        guard let stream else { return }
        var ended: Int
        repeat {
            ended = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 16) { room in
                let count = stream.receive(into: room)
                if count > 0 { bytes += room[..<count] }
                return count
            }
        } while ended > 0 && bytes.count < Self.limit
        guard ended == 0 else { return }
        do throws(FramingError) {
            guard let failure = try judge() else { return answered.succeed(nil) }
            answered.succeed(failure)
        } catch {
            answered.fail(CheckFailure("the answer is malformed: \(error)"))
        }
    }

    /// Reads the whole response, as the session tells it in HTTP/1.1.
    private func judge() throws(FramingError) -> String? {
        var scanner = ResponseScanner()
        var fields: [String: String] = [:]
        var data = ByteQueue()
        var status = 0
        var failure: FramingError?
        bytes.withUnsafeBytes { bytes in
            do throws(FramingError) {
                guard let head = try scanner.scan(bytes, toHead: false) else { return }
                status = head.status
                for field in scanner.fields { Self.note(field.name.of(bytes), field.value.of(bytes), &fields) }
                var body = StreamBodyReader(head.body, limits: FramingLimits())
                _ = try body.take(UnsafeRawBufferPointer(rebasing: bytes[head.end...]), into: &data)
                let list = body.trailers.bytes
                for line in body.trailers.lines {
                    Self.note(
                        UnsafeRawBufferPointer(rebasing: list[line.name]), UnsafeRawBufferPointer(rebasing: list[line.value]),
                        &fields)
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return question.failure(status: status, body: Array(data.bytes), fields: fields)
    }

    private static func note(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ fields: inout [String: String]) {
        fields[String(decoding: name, as: UTF8.self).lowercased()] = String(decoding: value, as: UTF8.self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        answered.fail(CheckFailure("the connection was closed without an answer"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answered.fail(error)
        context.close(promise: nil)
    }
}
