import AsyncHTTPClient
import FoundationEssentials
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// Sends requests to the controller's Unix socket and turns whatever goes wrong into an `APIFailure`.
struct ControlTransport: Sendable {
    let socketPath: String
    /// One for the process, never shut down. A socket where nobody listens is told at once rather than tried again.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
    }()
    /// The most bytes of a JSON answer.
    private static let answerLimit = 256 << 20

    func get<Answer: Decodable>(_ path: String, query: [(String, String)] = []) async throws(APIFailure) -> Answer {
        try await send(.GET, path, query: query, body: Optional<String>.none)
    }

    func send<Answer: Decodable>(
        _ method: HTTPMethod, _ path: String, query: [(String, String)] = [], body: (some Encodable & Sendable)?
    ) async throws(APIFailure) -> Answer {
        let bytes = try await exchange(method, path, query: query, body: body)
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(bytes.readableBytesView))
        } catch {
            throw APIFailure(
                .internalFailure,
                "\(method) \(path): the controller's answer cannot be read (\(error)); is it another version of sidekick?")
        }
    }

    func expectSuccess(_ path: String) async throws(APIFailure) {
        _ = try await exchange(.GET, path, query: [], body: Optional<String>.none)
    }

    private func exchange(
        _ method: HTTPMethod, _ path: String, query: [(String, String)], body: (some Encodable & Sendable)?
    ) async throws(APIFailure) -> ByteBuffer {
        var request = newRequest(method, path, query)
        if let body {
            do {
                request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
            } catch {
                throw APIFailure(.internalFailure, "\(method) \(path): the request cannot be written as JSON: \(error)")
            }
            request.headers.add(name: "content-type", value: "application/json")
        }
        let answer: HTTPClientResponse
        let bytes: ByteBuffer
        do {
            answer = try await Self.client.execute(request, timeout: .minutes(10))
            bytes = try await answer.body.collect(upTo: Self.answerLimit)
        } catch {
            throw failure(of: error, path: path)
        }
        guard (200..<300).contains(answer.status.code) else { throw Self.failure(answer.status, bytes, path: path) }
        return bytes
    }

    /// The body of a GET as it arrives; ends when the controller ends it or the reader stops.
    func stream(_ path: String, query: [(String, String)]) -> AsyncThrowingStream<[UInt8], any Error> {
        let request = newRequest(.GET, path, query)
        return AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    let answer = try await Self.client.execute(request, deadline: .distantFuture)
                    guard answer.status == .ok else {
                        throw Self.failure(answer.status, try await answer.body.collect(upTo: 1 << 20), path: path)
                    }
                    for try await chunk in answer.body { continuation.yield(Array(chunk.readableBytesView)) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: (error as? APIFailure) ?? failure(of: error, path: path))
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// The server-sent events of a GET.
    /// - Parameter read: an item of an event's name and data; nil for one of a newer controller, which is skipped.
    func events<Item: Sendable>(
        _ path: String, _ read: @escaping @Sendable (String, Data) throws -> Item?
    ) -> AsyncThrowingStream<Item, any Error> {
        let bytes = stream(path, query: [])
        return AsyncThrowingStream { continuation in
            let task = Task {
                var parser = ServerSentEvents()
                do {
                    for try await piece in bytes {
                        for event in parser.take(piece) {
                            if let item = try read(event.name, Data(event.data.utf8)) { continuation.yield(item) }
                        }
                    }
                    continuation.finish()
                } catch let error as DecodingError {
                    let why = "\(path): an event of the controller cannot be read (\(error)); is it another version of sidekick?"
                    continuation.finish(throwing: APIFailure(.internalFailure, why))
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// A connection per request: on a local socket it costs nothing worth saving, and none can be stale after the controller restarted.
    private func newRequest(_ method: HTTPMethod, _ path: String, _ query: [(String, String)]) -> HTTPClientRequest {
        var url = "http+unix://\(Self.escape(socketPath))\(path)"
        if !query.isEmpty {
            url += "?" + query.map { "\($0.0)=\(Self.escape($0.1))" }.joined(separator: "&")
        }
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers.add(name: "connection", value: "close")
        return request
    }

    /// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3.
    static func escape(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                out.append(byte)
            default: out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private func failure(of error: any Error, path: String) -> APIFailure {
        if error is CancellationError || (error as? HTTPClientError) == .cancelled {
            return APIFailure(.unavailable, "\(path): cancelled before the controller answered")
        }
        let why =
            switch error {
            case let error as IOError where error.errnoCode == ENOENT: "there is no such socket"
            case let error as IOError where error.errnoCode == ECONNREFUSED: "nothing listens there"
            case let error as IOError where error.errnoCode == EACCES: "only root may connect to it"
            default: "\(error)"
            }
        return APIFailure(
            .unreachable,
            "cannot reach the controller at \(socketPath): \(why); start one with ‘sidekick controller’ or ‘sidekick standalone’, "
                + "or name another socket with --socket")
    }

    private static func failure(_ status: HTTPResponseStatus, _ body: ByteBuffer, path: String) -> APIFailure {
        if let failure = try? JSONDecoder().decode(APIFailure.self, from: Data(body.readableBytesView)) { return failure }
        return APIFailure(
            .internalFailure, "\(path): the controller answered \(status.code) without saying why: \(String(buffer: body))")
    }
}
