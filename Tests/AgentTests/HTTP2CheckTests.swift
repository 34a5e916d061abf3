import Foundation
import HTTP2Translation
import HTTPFraming
import NIOCore
import NIOEmbedded
import Testing

@testable import Agent

/// Checks of replicas that speak HTTP/2, against a session in memory.
struct HTTP2CheckTests {
    /// What the check says of a server that answers so; the request it was asked is given to `look`.
    private static func check(_ question: CheckQuestion, _ answer: String, look: (String) -> Void = { _ in }) throws -> String? {
        let channel = EmbeddedChannel()
        let answered = channel.eventLoop.makePromise(of: String?.self)
        try channel.pipeline.syncOperations.addHandler(HTTP2CheckHandler(question, host: "10.0.0.1:9000", answered: answered))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let server = try #require(HTTP2Session(.server))
        for _ in 0..<10 {
            while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
                bytes.withUnsafeReadableBytes { server.receive($0, now: 0) }
            }
            for stream in server.takeArrivals() {
                var room = [UInt8](repeating: 0, count: 4096)
                let count = room.withUnsafeMutableBytes { stream.receive(into: $0) }
                look(String(decoding: room.prefix(max(0, count)), as: UTF8.self))
                Array(answer.utf8).withUnsafeBytes { _ = stream.send($0) }
            }
            server.produce()
            guard !server.output.isEmpty else { break }
            let bytes = ByteBuffer(bytes: server.output.bytes)
            server.output.clear()
            try channel.writeInbound(bytes)
        }
        _ = try? channel.finish()
        return try answered.futureResult.wait()
    }

    @Test func `a path is well when it answers 2xx or 3xx`() throws {
        let none = try Self.check(.http(path: "/healthz"), "HTTP/1.1 204 No Content\r\n\r\n") {
            #expect($0.hasPrefix("GET /healthz HTTP/1.1\r\nhost: 10.0.0.1:9000\r\n"))
        }
        #expect(none == nil)
        let failure = try Self.check(.http(path: "/healthz"), "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno")
        #expect(failure == "GET /healthz was answered 503")
    }

    private static func health(_ message: String, status: String) -> String {
        let length = String(message.utf8.count + 5, radix: 16)
        return
            "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n\(length)\r\n\0\0\0\0"
            + "\(Character(UnicodeScalar(UInt8(message.utf8.count))))\(message)\r\n0\r\ngrpc-status: \(status)\r\n\r\n"
    }

    @Test func `a gRPC server is well when it says that it serves`() throws {
        let serving = try Self.check(.grpc(service: "a.B"), Self.health("\u{08}\u{01}", status: "0")) {
            #expect($0.hasPrefix("POST /grpc.health.v1.Health/Check HTTP/1.1\r\n"))
            #expect($0.hasSuffix("\r\n\r\n\0\0\0\0\u{05}\u{0A}\u{03}a.B"))
        }
        #expect(serving == nil)
        #expect(
            try Self.check(.grpc(service: ""), Self.health("\u{08}\u{02}", status: "0")) == "the server says it is not serving")
        #expect(try Self.check(.grpc(service: "a.B"), Self.health("", status: "0")) == "‘a.B’ says it is not serving")
        let unknown = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nGrpc-Status: 12\r\nContent-Length: 0\r\n\r\n"
        #expect(
            try Self.check(.grpc(service: ""), unknown) == "the server has no health service (grpc.health.v1.Health)")
    }

    @Test func `a port that speaks something else is told so`() throws {
        let channel = EmbeddedChannel()
        let answered = channel.eventLoop.makePromise(of: String?.self)
        try channel.pipeline.syncOperations.addHandler(HTTP2CheckHandler(.http(path: "/"), host: "a", answered: answered))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
        #expect { try answered.futureResult.wait() } throws: {
            ($0 as? CheckFailure)?.message == "the port does not speak HTTP/2"
        }
        _ = try? channel.finish()
    }
}
