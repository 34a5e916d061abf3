import AgentProtocol
import COpenSSL
import Foundation
import Gateway
import Glibc
import SidekickModel
import Testing

/// What is spoken over TLS.
struct TLSTests {
    private static func certificates() throws -> TestCertificates {
        let certificates = TestCertificates()
        try certificates.make("a", hosts: ["a"])
        return certificates
    }

    @Test func `requests by TLS are served like others, and the replica is told that they came by https`() async throws {
        let replica = try TestReplica { request, connection in
            let text = "\(request.firstLine) \(request["x-forwarded-proto"] ?? "") \(request["x-forwarded-for"] ?? "")"
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
            return true
        }
        try await TestGateway.withTLS([replica], try Self.certificates()) { gateway in
            let client = try gateway.tls()
            for number in 0..<20 {
                #expect(try client.get("/\(number)").text == "GET /\(number) HTTP/1.1 https 127.0.0.1")
            }
            client.send((0..<20).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            for number in 0..<20 { #expect(try client.response().text.hasPrefix("GET /\(number) ")) }
            #expect(try gateway.client().get().text == "GET / HTTP/1.1 http 127.0.0.1")
            #expect(client.version == "TLSv1.3")
        }
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func `big bodies cross whole, both ways at once, at a client that reads slowly`(version: Int32) async throws {
        let size = 5_000_000
        let replica = try TestReplica(readsBody: false) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            var left = size
            while left > 0, let piece = connection.reader.take(min(left, 50_001)) {
                left -= piece.count
                connection.socket.write(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10])
            }
            connection.send("0\r\nX-End: 1\r\n\r\n")
            return true
        }
        try await TestGateway.withTLS([replica], try Self.certificates()) { gateway in
            let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
            let client = try gateway.tls(.init(version: (version, version), receiveBuffer: 4096))
            client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
            // The response grows while the request goes on: one thread does both in turn, in pieces that fit the buffers between.
            var sent = 0
            var got: [UInt8] = []
            let reader = client.reader
            var head: MessageReader.Message?
            while sent < size {
                let count = min(8_000, size - sent)
                #expect(client.write(Array(body[sent..<(sent + count)])))
                sent += count
                if sent - got.count > 200_000 {
                    if head == nil { head = reader.head() }
                    if let length = reader.line().flatMap({ Int($0, radix: 16) }), let piece = reader.take(length + 2) {
                        got += piece.dropLast(2)
                    }
                }
            }
            while let length = reader.line().flatMap({ Int($0, radix: 16) }), length > 0, let piece = reader.take(length + 2) {
                got += piece.dropLast(2)
            }
            #expect(reader.line() == "X-End: 1")
            #expect(head?.status == 200)
            #expect(got == body)
        }
    }

    @Test func `a response that a slow client takes in drops arrives whole`() async throws {
        let body = (0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 9) }
        let replica = try TestReplica { _, connection in
            // A field for this hop makes the gateway write the head anew and send it with the body's beginning.
            connection.send("HTTP/1.1 200 OK\r\nKeep-Alive: 1\r\nContent-Length: \(body.count)\r\n\r\n")
            connection.socket.write(body)
            return true
        }
        try await TestGateway.withTLS(
            [replica], try Self.certificates(),
            // One client is read after the other: those that wait meanwhile must not count as gone.
            change: { $0.timeouts.client = .seconds(300) }
        ) { gateway in
            let clients = try (0..<4).map { _ in try gateway.tls(.init(receiveBuffer: 2048)) }
            for client in clients { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" + "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
            usleep(100_000)
            for client in clients {
                for _ in 0..<2 { #expect(try client.response().body == body) }
            }
        }
    }

    @Test func `a tunnel goes through TLS, and either end may end its direction first`() async throws {
        let replica = try TestReplica { _, connection in
            connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
            while let bytes = connection.socket.read(), !bytes.isEmpty { connection.socket.write(bytes.reversed()) }
            connection.send("bye")
            return false
        }
        try await TestGateway.withTLS([replica], try Self.certificates()) { gateway in
            let client = try gateway.tls()
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            #expect(client.reader.head()?.status == 101)
            #expect(client.reader.take(5) == Array("hello".utf8))
            client.send("abc")
            #expect(client.reader.take(3) == Array("cba".utf8))
            client.endWriting()
            #expect(client.reader.take(3) == Array("bye".utf8))
            #expect(client.read() == nil)
            #expect(client.end == .closeNotify)
        }
    }

    @Test func `an end without close_notify is told as cut, both ways`() async throws {
        let ends = Mailbox<Bool>()
        let replica = try TestReplica(readsBody: false) { request, connection in
            if request.firstLine.contains("/close") {
                connection.send("HTTP/1.1 200 OK\r\n\r\nall of it")
                return false
            }
            if request.firstLine.contains("/cut") {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all")
                return false
            }
            if request.firstLine.contains("/tunnel") {
                connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
                while let bytes = connection.socket.read() { if bytes.isEmpty { break } }
                ends.put(false)
                return false
            }
            // An upload: whether its last chunk came.
            var whole = false
            while let size = connection.reader.line().flatMap({ Int($0, radix: 16) }) {
                whole = size == 0
                if whole || connection.reader.take(size + 2) == nil { break }
            }
            ends.put(whole)
            return false
        }
        try await TestGateway.withTLS([replica], try Self.certificates()) { gateway in
            let whole = try gateway.tls()
            whole.send("GET /close HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try whole.response().text == "all of it")
            #expect(whole.end == .closeNotify)
            let cut = try gateway.tls()
            cut.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try !cut.response().isWhole)
            #expect(cut.end == .cut)
            for head in [
                "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            ] {
                let client = try gateway.tls()
                client.send(head)
                usleep(50_000)
                client.socket.shutdown()
                #expect(try ends.take() == false)
            }
        }
    }

    @Test func `versions below 1.2 are refused, and so is renegotiation`() async throws {
        let replica = try TestReplica()
        try await TestGateway.withTLS([replica], try Self.certificates()) { gateway in
            #expect(throws: TestFailure.self) { try gateway.tls(.init(version: (TLS1_VERSION, TLS1_1_VERSION))) }
            let client = try gateway.tls(.init(version: (TLS1_2_VERSION, TLS1_2_VERSION)))
            #expect(try client.get().status == 200)
            SSL_renegotiate(client.ssl)
            #expect(SSL_do_handshake(client.ssl) != 1 || SSL_read(client.ssl, nil, 0) <= 0)
            ERR_clear_error()
            #expect(try gateway.tls().get().status == 200)
        }
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func `a session is resumed by whichever loop the client meets, also after certificates changed`(version: Int32) async throws {
        let replica = try TestReplica()
        let certificates = try Self.certificates()
        try await TestGateway.withTLS([replica], certificates, threads: 3) { gateway in
            let options = TLSClient.Options(version: (version, version))
            let first = try gateway.tls(options)
            #expect(try first.get().status == 200)
            #expect(!first.isResumed)
            for round in 0..<12 {
                let session = first.session()
                let next = try gateway.tls(.init(version: (version, version), session: session))
                #expect(next.isResumed, "\(round)")
                #expect(try next.get().status == 200)
                if round == 5 {
                    try certificates.make("a", subject: "new", hosts: ["a"])
                    for _ in 0..<1000 where try gateway.tls().subject != "new" { usleep(10_000) }
                    #expect(try gateway.tls().subject == "new")
                }
            }
        }
    }

    @Test func `ALPN is answered with HTTP 1.1, and a client that speaks only other things is refused`() async throws {
        let replica = try TestReplica()
        try await TestGateway.withTLS([replica], try Self.certificates()) { gateway in
            let client = try gateway.tls(.init(protocols: ["spdy/3", "http/1.1"]))
            #expect(client.negotiated == "http/1.1")
            #expect(try client.get().status == 200)
            #expect(throws: TestFailure.self) { try gateway.tls(.init(protocols: ["spdy/3"])) }
        }
    }

    @Test func `one who speaks plain HTTP to the TLS port is told so`() async throws {
        try await TestGateway.withTLS([try TestReplica()], try Self.certificates()) { gateway in
            let client = try TestClient(port: gateway.tlsPort)
            let response = try client.get()
            #expect(response.status == 400)
            #expect(response.text.contains("https"))
            #expect(client.isClosed)
        }
    }

    @Test func `plain requests for hosts with a certificate are sent to https, others and challenges are served`() async throws {
        let replica = try TestReplica()
        var service = TestGateway.web([replica])
        service.route.ingress.append(IngressRule(host: "b", path: "/"))
        let services = [service]
        let certificates = try Self.certificates()
        try await TestGateway.with(
            services,
            change: {
                $0.tlsListen = ["127.0.0.1:0"]
                $0.certificates = certificates.path
                $0.redirectsToTLS = true
            }
        ) { gateway in
            let client = try gateway.client()
            for _ in 0..<2 {
                let response = try client.get("/x?y=1", host: "A:8080")
                #expect(response.status == 308)
                #expect(response["location"] == "https://A:\(gateway.tlsPort)/x?y=1")
            }
            #expect(try client.get(host: "b").status == 200)
            #expect(try client.get(host: "web.sidekick.internal").status == 200)
            #expect(try client.get("/.well-known/acme-challenge/t").status == 200)
            #expect(try gateway.tls().get().status == 200)
            #expect(replica.seen.requests == 4)
        }
    }

    @Test func `curl and openssl, told whom to trust, are content`() async throws {
        let replica = try TestReplica()
        let certificates = TestCertificates()
        try certificates.make("site", hosts: ["site.example", "*.site.example"], .directory)
        try await TestGateway.with(
            [TestGateway.web([replica], host: "www.site.example")],
            change: {
                $0.tlsListen = ["127.0.0.1:0"]
                $0.certificates = certificates.path
            }
        ) { gateway in
            let trust = certificates.files("site", .directory).chain
            let upload = "\(gateway.directory)/upload"
            _ = FileManager.default.createFile(atPath: upload, contents: Data(repeating: 7, count: 2_000_000))
            let curl = try TestCertificates.run(
                "curl",
                [
                    "-sS", "--http1.1", "--cacert", trust, "--resolve", "www.site.example:\(gateway.tlsPort):127.0.0.1", "-T",
                    upload,
                    "https://www.site.example:\(gateway.tlsPort)/up",
                ])
            #expect(curl.output == "1 PUT /up 2000000", "\(curl)")
            let openssl = try TestCertificates.run(
                "openssl",
                [
                    "s_client", "-connect", "127.0.0.1:\(gateway.tlsPort)", "-servername", "www.site.example", "-CAfile", trust,
                    "-verify_return_error", "-verify_hostname", "www.site.example", "-brief",
                ])
            #expect(openssl.code == 0, "\(openssl)")
            #expect(openssl.output.contains("Verification: OK"), "\(openssl)")
        }
    }
}
