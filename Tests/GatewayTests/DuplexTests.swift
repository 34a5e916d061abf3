import Foundation
import Gateway
import SidekickModel
import Testing

/// Requests and responses that overlap.
struct DuplexTests {
    @Test func `a response begins, goes on and may end before its request does, trailers both ways`() async throws {
        let trailers = Mailbox<String>()
        let replica = try TestReplica(readsBody: false) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
            var count = 0
            while let size = connection.reader.line().flatMap({ Int($0, radix: 16) }), size > 0,
                let piece = connection.reader.take(size + 2)
            {
                count += 1
                connection.socket.write(Array("\(String(size, radix: 16))\r\n".utf8) + piece)
            }
            trailers.put(connection.reader.line() ?? "")
            _ = connection.reader.line()
            connection.send("0\r\nX-Sum: \(count)\r\n\r\n")
            return true
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            for _ in 0..<2 {
                client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\n\r\n")
                #expect(client.reader.head()?["trailer"] == "X-Sum")
                for number in 0..<10 {
                    client.send("5\r\nround\r\n")
                    #expect(client.reader.line() == "5", "\(number)")
                    #expect(client.reader.take(7) == Array("round\r\n".utf8))
                }
                client.send("0\r\nX-Mine: yes\r\n\r\n")
                #expect(client.reader.line() == "0")
                #expect(client.reader.line() == "X-Sum: 10")
                #expect(client.reader.line() == "")
                #expect(try trailers.take() == "X-Mine: yes")
            }
            #expect(replica.seen.connections == 1)
        }
    }

    @Test func `where a response ends before its request, the rest of the request is not taken for another`() async throws {
        let replica = try TestReplica(readsBody: false) { request, connection in
            connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
            return request.firstLine.hasPrefix("GET")
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nab")
            #expect(try client.response().status == 413)
            client.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(client.isClosed)
            #expect(try gateway.client().get().status == 413)
            #expect(replica.seen.requests == 2)
        }
    }

    @Test func `a two-way stream on which the client is silent for longer than a client may be goes on`() async throws {
        let replica = try TestReplica(readsBody: false) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<6 {
                usleep(100_000)
                connection.send("1\r\nx\r\n")
            }
            connection.send("0\r\n\r\n")
            return true
        }
        try await TestGateway.with([TestGateway.web([replica])], change: { $0.timeouts.client = Milliseconds(200) }) { gateway in
            let client = try gateway.client()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            let response = try client.response()
            #expect(response.text == "xxxxxx")
            #expect(response.isWhole)
        }
    }
}
