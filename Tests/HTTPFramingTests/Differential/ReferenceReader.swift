import NIOCore
import NIOEmbedded
import NIOHTTP1

/// Reads a connection with NIOHTTP1's decoder, which is llhttp.
enum ReferenceReader {
    static func requests(_ bytes: [UInt8], cuts: [Int]) throws -> Reading {
        let channel = EmbeddedChannel()
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
        var reading = Reading()
        for piece in pieces(bytes, cuts) where reading.refusal == nil {
            do {
                try channel.writeInbound(ByteBuffer(bytes: piece))
            } catch {
                reading.refusal = "\(error)"
            }
            try takeRequests(from: channel, into: &reading)
        }
        return reading
    }

    private static func takeRequests(from channel: EmbeddedChannel, into reading: inout Reading) throws {
        while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head):
                reading.messages.append(SeenMessage(start: "\(head.method.rawValue) \(head.uri)", fields: fields(head.headers)))
            case .body(let body): reading.messages[reading.messages.count - 1].body += body.readableBytesView
            case .end: reading.messages[reading.messages.count - 1].isComplete = true
            }
        }
    }

    /// - Parameter methods: of the requests that are answered, in order.
    static func responses(_ bytes: [UInt8], cuts: [Int], to methods: [String]) throws -> Reading {
        let channel = EmbeddedChannel()
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(HTTPResponseDecoder()))
        for method in methods {
            let head = HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method), uri: "/")
            try channel.writeOutbound(HTTPClientRequestPart.head(head))
        }
        var reading = Reading()
        for piece in pieces(bytes, cuts) where reading.refusal == nil {
            do {
                try channel.writeInbound(ByteBuffer(bytes: piece))
            } catch {
                reading.refusal = "\(error)"
            }
            try takeResponses(from: channel, into: &reading)
        }
        // The end of the connection ends a body that has no other end; elsewhere it only means that more was to come.
        if reading.refusal == nil {
            _ = try? channel.finish(acceptAlreadyClosed: true)
            try takeResponses(from: channel, into: &reading)
        }
        return reading
    }

    private static func takeResponses(from channel: EmbeddedChannel, into reading: inout Reading) throws {
        while let part = try channel.readInbound(as: HTTPClientResponsePart.self) {
            switch part {
            case .head(let head):
                reading.messages.append(SeenMessage(start: "\(head.status.code)", fields: fields(head.headers)))
            case .body(let body): reading.messages[reading.messages.count - 1].body += body.readableBytesView
            case .end: reading.messages[reading.messages.count - 1].isComplete = true
            }
        }
    }

    private static func fields(_ headers: HTTPHeaders) -> [String] { headers.map { "\($0.name): \(trimmed($0.value))" } }
}
