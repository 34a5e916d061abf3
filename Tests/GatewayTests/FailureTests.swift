import AgentProtocol
import Foundation
import Gateway
import Glibc
import Logging
import SidekickModel
import Testing

struct FailureTests {
    @Test func `a replica that refuses connections costs no request and is reported`() async throws {
        let dead = try TestReplica(1)
        dead.kill()
        let alive = try TestReplica(2)
        try await TestGateway.with([TestGateway.web([dead, alive])]) { gateway in
            for _ in 0..<20 {
                let client = try gateway.client()
                client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
                #expect(try client.response().text == "2 POST / 2")
            }
            #expect(
                try gateway.agent.messages.take { if case .unreachable = $0 { true } else { false } }
                    == .unreachable(ReplicaID(1)))
        }
    }

    @Test func `a kept connection the replica closed costs no request`() async throws {
        let replica = try TestReplica { request, connection in
            _ = TestReplica.answer(request, connection)
            // Kept as far as the gateway can see, closed at once.
            return false
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            for number in 0..<200 { #expect(try client.get("/\(number)").text == "1 GET /\(number) 0") }
        }
    }

    @Test func `a replica killed with requests in flight costs none that may be repeated`() async throws {
        let gate = Gate()
        let first = try TestReplica(1) { _, _ in
            try? gate.pass()
            return false
        }
        let second = try TestReplica(2)
        try await TestGateway.with([TestGateway.web([first])]) { gateway in
            let get = try gateway.client()
            get.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let post = try gateway.client()
            post.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            while first.seen.requests < 2 { usleep(1000) }
            try gateway.route([TestGateway.web([first, second])])
            first.kill()
            gate.open(2)
            let repeated = try get.response()
            #expect(repeated.text == "2 GET / 0")
            #expect(try post.response().status == 502)
        }
    }

    @Test func `a response cut by the replica reaches the client as cut`() async throws {
        let replica = try TestReplica { request, connection in
            connection.send("HTTP/1.1 200 OK\r\n\(request["x-framing"] ?? "")\r\n\r\n5\r\nhello\r\n")
            connection.socket.reset()
            return false
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            for framing in ["Transfer-Encoding: chunked", "Content-Length: 100"] {
                let client = try gateway.client()
                client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Framing: \(framing)\r\n\r\n")
                let response = client.reader.message(untilClose: true)
                #expect(response?.isWhole != true, "\(framing)")
            }
        }
    }

    @Test(arguments: ["HTTP/1.1 200 OK\nA: b\n\n", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", ""])
    func `a replica that talks nonsense is answered for with 502`(nonsense: String) async throws {
        let replica = try TestReplica { _, connection in
            connection.send(nonsense)
            return false
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            #expect(try client.get().status == 502)
            #expect(try client.get().status == 502)
        }
    }

    @Test func `a replica that does not answer in time is answered for with 504`() async throws {
        let gate = Gate()
        let replica = try TestReplica { _, _ in
            try? gate.pass()
            return false
        }
        try await TestGateway.with([TestGateway.web([replica])], change: { $0.timeouts.replica = Milliseconds(100) }) { gateway in
            let response = try gateway.client().get()
            #expect(response.status == 504)
            gate.open()
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505), ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501), ("nonsense\r\n\r\n", 400),
        ("GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 20_000))\r\n\r\n", 431),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ])
    func `a malformed request gets its status and the connection ends`(request: String, status: Int) async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            client.send(request)
            #expect(try client.response().status == status)
            #expect(client.isClosed)
            #expect(try gateway.client().get().status == 200)
        }
    }

    @Test func `a client that sends its head too slowly is answered 408, one that sends nothing is closed`() async throws {
        let replica = try TestReplica()
        let change: @Sendable (inout GatewayConfiguration) -> Void = {
            $0.timeouts.head = Milliseconds(200)
            $0.timeouts.keepAlive = Milliseconds(200)
        }
        try await TestGateway.with([TestGateway.web([replica])], change: change) { gateway in
            let slow = try gateway.client()
            let silent = try gateway.client()
            for byte in "GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaa".map(String.init) {
                slow.send(byte)
                usleep(10_000)
            }
            #expect(try slow.response().status == 408)
            #expect(silent.isClosed)
        }
    }

    @Test func `a client that stops sending its body is answered 408 and frees the replica`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with(
            [TestGateway.web([replica], concurrency: 1)], change: { $0.timeouts.client = Milliseconds(200) }
        ) { gateway in
            let client = try gateway.client()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
            #expect(try client.response().status == 408)
            #expect(try gateway.client().get().status == 200)
        }
    }

    @Test func `a client that leaves in the middle frees the replica`() async throws {
        let gate = Gate()
        let replica = try TestReplica { request, connection in
            guard request.firstLine.contains("/slow") else { return TestReplica.answer(request, connection) }
            try? gate.pass()
            return false
        }
        try await TestGateway.with([TestGateway.web([replica], concurrency: 1)]) { gateway in
            let client = try gateway.client()
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            while replica.seen.requests == 0 { usleep(1000) }
            client.socket.reset()
            client.socket.shutdown()
            #expect(try gateway.client().get().status == 200)
            gate.open()
        }
    }

    @Test func `a big response to a client that does not read is not gathered in memory`() async throws {
        let size = 200 << 20
        let replica = try TestReplica { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            let piece = [UInt8](repeating: 65, count: 1 << 20)
            for _ in 0..<(size >> 20) { guard connection.socket.write(piece) else { return false } }
            return true
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let before = residentBytes()
            let clients = try (0..<4).map { _ in try TestClient(port: gateway.port, receiveBuffer: 65536) }
            for client in clients { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
            for client in clients { #expect(client.reader.head()?.status == 200) }
            usleep(300_000)
            #expect(residentBytes() - before < 40 << 20)
            var count = 0
            while count < size - 65536, let bytes = clients[0].socket.read(limit: 1 << 20), !bytes.isEmpty {
                count += bytes.count
            }
            #expect(count >= size - 65536)
        }
    }
}

private func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096
}
