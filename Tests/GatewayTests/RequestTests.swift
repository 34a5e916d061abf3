import AgentProtocol
import Foundation
import Gateway
import SidekickModel
import Testing

struct RequestTests {
    @Test func `requests of one connection reach the replica over one kept connection`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            for number in 0..<20 {
                let response = try client.get("/\(number)")
                #expect(response.status == 200)
                #expect(response.text == "1 GET /\(number) 0")
            }
            #expect(replica.seen.connections == 1)
        }
    }

    @Test func `hosts and paths lead to their services, the longest path first`() async throws {
        let replicas = try (1...4).map { try TestReplica($0) }
        func service(_ name: String, _ index: Int, _ rules: [IngressRule]) -> GatewayService {
            var service = TestGateway.web([replicas[index]])
            service.route.service = name
            service.route.ingress = rules
            return service
        }
        let services = [
            service("a", 0, [IngressRule(host: "a.example", path: "/")]),
            service("api", 1, [IngressRule(host: "a.example", path: "/api"), IngressRule(host: "b.example", path: "/only")]),
            service("any", 2, [IngressRule(host: "*", path: "/any")]), service("plain", 3, []),
        ]
        try await TestGateway.with(services) { gateway in
            let table: [(String, String, String?)] = [
                ("a.example", "/", "1"), ("A.Example:8080", "/x?y", "1"), ("a.example", "/api", "2"),
                ("a.example", "/api/x", "2"),
                ("a.example", "/api?x", "2"), ("a.example", "/apix", "1"), ("b.example", "/only/1", "2"), ("b.example", "/", nil),
                ("b.example", "/any", "3"), ("other", "/any/x", "3"), ("other", "/", nil), ("", "/any", "3"),
                ("plain.sidekick.internal", "/q", "4"), ("api.sidekick.internal:80", "/", "2"),
            ]
            for (host, path, number) in table {
                let response = try gateway.client().get(path, host: host)
                #expect(response.status == (number == nil ? 404 : 200), "\(host) \(path)")
                if let number { #expect(response.text.hasPrefix(number), "\(host) \(path)") }
            }
        }
    }

    @Test func `the replica is told who asked, and gets nothing meant for the gateway alone`() async throws {
        let replica = try TestReplica { request, connection in
            let text = request.fields.map { "\($0.name): \($0.value)\n" }.joined()
            connection.send(
                "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Kept: 1\r\n\r\n\(text)"
            )
            return true
        }
        let services = [TestGateway.web([replica], host: "absolute.example")]
        try await TestGateway.with(services) { gateway in
            let client = try gateway.client()
            let response = try client.get(
                "http://absolute.example/x", host: "field.example",
                fields:
                    "Connection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Plain: 2\r\nX-Request-Id: me\r\n"
            )
            #expect(response["x-hop"] == nil)
            #expect(response["connection"] == nil)
            #expect(response["x-kept"] == "1")
            #expect(
                response.text == """
                    host: absolute.example
                    x-plain: 2
                    x-request-id: me
                    x-forwarded-for: 127.0.0.1
                    x-forwarded-proto: http
                    x-forwarded-host: absolute.example

                    """)
            let second = try client.get(host: "absolute.example")
            let id = second.text.split(separator: "\n").first { $0.hasPrefix("x-request-id: ") }?.dropFirst(14)
            #expect(id?.count == 32)
        }
    }

    @Test func `pipelined requests are answered in order`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            client.send((0..<50).map { "POST /\($0) HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" }.joined())
            for number in 0..<50 { #expect(try client.response().text == "1 POST /\(number) 3") }
        }
    }

    @Test func `bodies of every framing cross whole, both ways`() async throws {
        let size = 3_000_000
        let replica = try TestReplica { request, connection in
            if request.firstLine.contains("/length") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(request.body.count)\r\n\r\n")
                connection.socket.write(request.body)
                return true
            }
            let chunked = request.firstLine.contains("/chunked")
            connection.send("HTTP/1.1 200 OK\r\n\(chunked ? "Transfer-Encoding: chunked\r\nTrailer: X-End\r\n" : "")\r\n")
            guard chunked else {
                connection.socket.write(request.body)
                return false
            }
            for start in stride(from: 0, to: request.body.count, by: 10_000) {
                let piece = Array(request.body[start..<min(start + 10_000, request.body.count)])
                connection.socket.write(Array("\(String(piece.count, radix: 16));x=y\r\n".utf8) + piece + [13, 10])
            }
            connection.send("0\r\nX-End: 1\r\n\r\n")
            return true
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
            for path in ["/length", "/chunked", "/close"] {
                for chunked in [false, true] {
                    let client = try gateway.client()
                    client.send("PUT \(path) HTTP/1.1\r\nHost: a\r\n")
                    if chunked {
                        client.send("Transfer-Encoding: chunked\r\n\r\n")
                        for start in stride(from: 0, to: size, by: 70_001) {
                            let piece = Array(body[start..<min(start + 70_001, size)])
                            client.socket.write(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10])
                        }
                        client.send("0\r\n\r\n")
                    } else {
                        client.send("Content-Length: \(size)\r\n\r\n")
                        client.socket.write(body)
                    }
                    let response = try client.response()
                    #expect(response.status == 200)
                    #expect(response.body == body, "\(path) \(chunked)")
                    if path == "/chunked" { #expect(response["x-end"] == "1") }
                    #expect(response["connection"] == (path == "/close" ? "close" : nil))
                }
            }
        }
    }

    @Test func `a HEAD response has no body whatever its length says`() async throws {
        let replica = try TestReplica { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            return true
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            for _ in 0..<3 {
                client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
                let response = try client.response(toHead: true)
                #expect(response["content-length"] == "1000")
            }
        }
    }

    @Test func `a client of HTTP/1.0 is closed after its response unless it asks to be kept`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            client.send("GET /1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            let kept = try client.response()
            #expect(kept["connection"] == "keep-alive")
            client.send("GET /2 HTTP/1.0\r\nHost: a\r\n\r\n")
            let last = try client.response()
            #expect(last["connection"] == "close")
            #expect(client.isClosed)
        }
    }

    @Test func `the replica's 100 reaches a client that waits for it`() async throws {
        let replica = try TestReplica(readsBody: false) { request, connection in
            #expect(request["expect"] == "100-continue")
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")
            let body = connection.reader.take(5) ?? []
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            connection.socket.write(body)
            return true
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            #expect(client.reader.head()?.status == 100)
            client.send("hello")
            #expect(try client.response().text == "hello")
        }
    }

    @Test func `an upgraded connection is a tunnel that counts as in flight`() async throws {
        let replica = try TestReplica { request, connection in
            #expect(request["upgrade"] == "websocket")
            #expect(request["connection"] == "Upgrade")
            connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
            while let bytes = connection.socket.read(), !bytes.isEmpty { connection.socket.write(bytes.reversed()) }
            return false
        }
        try await TestGateway.with([TestGateway.web([replica], concurrency: 1, deadline: 300)]) { gateway in
            let client = try gateway.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            let head = client.reader.head()
            #expect(head?.status == 101)
            #expect(head?["upgrade"] == "websocket")
            #expect(client.reader.take(5) == Array("hello".utf8))
            client.send("abc")
            #expect(client.reader.take(3) == Array("cba".utf8))
            #expect(try gateway.client().get().status == 503)
            client.socket.endWriting()
            #expect(client.isClosed)
        }
    }
}
