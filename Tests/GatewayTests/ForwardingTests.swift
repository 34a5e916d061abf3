import EventLoop
import Foundation
import Gateway
import SidekickModel
import Testing

struct ForwardingTests {
    /// Answers with the fields by which a proxy speaks of its client.
    private static func echo() throws -> TestReplica {
        try TestReplica { request, connection in
            let names = [
                "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded",
            ]
            let text = request.fields.filter { names.contains($0.name) }.map { "\($0.name)=\($0.value)" }.joined(separator: "|")
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
            return true
        }
    }

    private static let claims =
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: real\r\n"
        + "X-Forwarded-Port: 443\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"

    @Test func `what a stranger says of whom it asks for is dropped`() async throws {
        let replica = try Self.echo()
        defer { withExtendedLifetime(replica) {} }
        try await TestGateway.with([TestGateway.web([replica])], change: { $0.writesForwarded = true }) { gateway in
            let text = try gateway.client().get(fields: Self.claims).text
            let wanted =
                "x-forwarded-for=127.0.0.1|x-forwarded-proto=http|x-forwarded-host=a|"
                + "forwarded=for=127.0.0.1;host=\"a\";proto=http"
            #expect(text == wanted)
        }
    }

    @Test func `what a trusted proxy says is kept, and the proxy itself is added`() async throws {
        let path = "/tmp/sk-gw-fwd-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).log"
        defer { unlink(path) }
        let replica = try Self.echo()
        defer { withExtendedLifetime(replica) {} }
        try await TestGateway.with(
            [TestGateway.web([replica])],
            change: {
                $0.trustedProxies = ["127.0.0.0/8", "10.0.0.0/8"].compactMap(AddressRange.init)
                $0.accessLog = AccessLogConfiguration(path: path, format: .combined)
            }
        ) { gateway in
            let text = try gateway.client().get("/log-me", fields: Self.claims).text
            let wanted =
                "x-forwarded-proto=https|x-forwarded-host=real|x-forwarded-port=443|x-real-ip=6.6.6.6|forwarded=for=6.6.6.6"
                + "|x-forwarded-for=6.6.6.6, 10.1.1.1, 127.0.0.1"
            #expect(text == wanted)
            let plain = try gateway.client().get().text
            #expect(plain == "x-forwarded-for=127.0.0.1|x-forwarded-proto=http|x-forwarded-host=a")
            // The log names the client, not the proxy.
            var line = ""
            for _ in 0..<60 where line.isEmpty {
                usleep(50_000)
                let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
                line = text.split(separator: "\n").first { $0.contains("/log-me") }.map(String.init) ?? ""
            }
            #expect(line.hasPrefix("6.6.6.6 - - "), "\(line)")
        }
    }

    @Test func `a request id that could be mistaken for something else is replaced`() async throws {
        let replica = try TestReplica { request, connection in
            let text = request["x-request-id"] ?? "none"
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
            return true
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try gateway.client()
            #expect(try client.get(fields: "X-Request-Id: 0af7-me/1:2\r\n").text == "0af7-me/1:2")
            for bad in ["a b", "a,b", "a\"b", String(repeating: "x", count: 129)] {
                let id = try client.get(fields: "X-Request-Id: \(bad)\r\n").text
                #expect(id.count == 32 && id.allSatisfy(\.isHexDigit), "\(bad) became \(id)")
            }
        }
    }

    @Test func `ranges of addresses hold what lies in them`() throws {
        func range(_ text: String, holds address: String) throws -> Bool {
            try #require(AddressRange(text: text)).contains(try #require(SocketAddress(text: address)))
        }
        #expect(try range("10.0.0.0/8", holds: "10.255.0.1:1"))
        #expect(try !range("10.0.0.0/8", holds: "11.0.0.1:1"))
        #expect(try range("192.168.1.1", holds: "192.168.1.1:80"))
        #expect(try !range("192.168.1.1", holds: "192.168.1.2:80"))
        #expect(try range("0.0.0.0/0", holds: "1.2.3.4:1"))
        #expect(try !range("0.0.0.0/0", holds: "[fd00::1]:1"))
        #expect(try range("fd00::/8", holds: "[fd12::1]:1"))
        #expect(try !range("fd00::/8", holds: "[fe80::1]:1"))
        #expect(try !range("10.0.0.0/8", holds: "/run/socket"))
        for text in ["", "10.0.0.0/33", "fd00::/129", "a/8", "10.0.0.0/", "10.0.0.0/-1"] {
            #expect(AddressRange(text: text) == nil, "\(text)")
        }
    }
}
