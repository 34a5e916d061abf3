import AgentProtocol
import Foundation
import Gateway
import Glibc
import SidekickModel
import Testing

/// Runs a program to its end; its output and exit code.
func run(_ program: String, _ arguments: [String]) throws -> (text: String, code: Int32) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: data, as: UTF8.self), process.terminationStatus)
}

struct HTTP2Tests {
    @Test func `curl speaks HTTP 2 with prior knowledge on the plain port`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let curl = try run(
                "/usr/bin/curl",
                [
                    "-sS", "--http2-prior-knowledge", "-H", "Host: a", "-d", "hello", "-w", " %{http_version} %{response_code}",
                    "http://127.0.0.1:\(gateway.port)/x",
                ])
            #expect(curl.text == "1 POST /x 5 2 200")
            #expect(curl.code == 0)
        }
    }

    @Test func `h2load's requests on many streams are all answered`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica], host: "127.0.0.1")]) { gateway in
            let load = try run(
                "/usr/bin/h2load", ["-n", "3000", "-c", "10", "-m", "20", "http://127.0.0.1:\(gateway.port)/x"])
            #expect(load.text.contains("3000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(load.text)")
        }
    }

    @Test func `curl and h2load agree on HTTP 2 over TLS, and replicas are told it was https`() async throws {
        let replica = try TestReplica { request, connection in
            let text = request["x-forwarded-proto"] ?? "?"
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
            return true
        }
        let certificates = TestCertificates()
        try certificates.make("site", hosts: ["site.example"])
        try await TestGateway.with(
            [TestGateway.web([replica], host: "site.example")],
            change: {
                $0.tlsListen = ["127.0.0.1:0"]
                $0.certificates = certificates.path
            }
        ) { gateway in
            let curl = try run(
                "/usr/bin/curl",
                [
                    "-sSk", "--http2", "--resolve", "site.example:\(gateway.tlsPort):127.0.0.1", "-w", " %{http_version}",
                    "https://site.example:\(gateway.tlsPort)/",
                ])
            #expect(curl.text == "https 2")
            let load = try run(
                "/usr/bin/h2load",
                ["-n", "2000", "-c", "8", "-m", "16", "-H", ":authority: site.example", "https://127.0.0.1:\(gateway.tlsPort)/"])
            #expect(load.text.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(load.text)")
            #expect(load.text.contains("Application protocol: h2"))
        }
    }

    @Test func `large bodies pass both ways, with a slow reader on one side`() async throws {
        let replica = try TestReplica { request, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(request.body.count)\r\n\r\n")
            connection.socket.write(request.body)
            return true
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let upload = "\(gateway.directory)/upload"
            let bytes = Data((0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
            _ = FileManager.default.createFile(atPath: upload, contents: bytes)
            for extra in [[], ["-H", "Transfer-Encoding: chunked"], ["--limit-rate", "20M"]] {
                let curl = try run(
                    "/usr/bin/curl",
                    ["-sS", "--http2-prior-knowledge", "-H", "Host: a", "-T", upload, "-o", "\(upload).back"] + extra
                        + ["http://127.0.0.1:\(gateway.port)/"])
                #expect(curl.code == 0, "\(curl.text)")
                #expect(FileManager.default.contents(atPath: "\(upload).back") == bytes)
            }
        }
    }

    @Test func `a client that hangs up leaves the hold queue`() async throws {
        try await TestGateway.with([TestGateway.web([])]) { gateway in
            let curl = try run(
                "/usr/bin/curl",
                ["-sS", "-m", "0.5", "--http2-prior-knowledge", "-H", "Host: a", "http://127.0.0.1:\(gateway.port)/"])
            #expect(curl.code == 28)
            var sample: LoadSample?
            repeat {
                if case .load(let samples) = try gateway.agent.messages.take() {
                    sample = samples.first { $0.service == "web" } ?? sample
                }
            } while sample?.queue != 0
        }
    }

    @Test func `malformed streams are reset, one by one, and a session of noise is closed`() async throws {
        let replica = try TestReplica()
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            let client = try TestClient(port: gateway.port)
            client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            client.socket.write([0, 0, 0, 4, 0, 0, 0, 0, 0])
            // Literal fields without the table: name and value with their lengths.
            func head(_ stream: UInt8, _ fields: [(String, String)], ends: Bool = true) -> [UInt8] {
                let block: [UInt8] = fields.flatMap { (name, value) -> [UInt8] in
                    [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
                }
                return [0, 0, UInt8(block.count), 1, ends ? 5 : 4, 0, 0, 0, stream] + block
            }
            let good = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/x")]
            let refused: [[UInt8]] = [
                head(1, good + [("transfer-encoding", "chunked")]), head(3, good + [("x", "a\r\nb: c")]),
                head(5, good + [("content-length", "5")]), head(7, [("x", "y")] + good),
                head(9, good + [("connection", "close")]),
                head(11, good + [("content-length", "2")], ends: false) + [0, 0, 3, 0, 1, 0, 0, 0, 11, 0x61, 0x61, 0x61],
                head(13, good + [("host", "b")]), head(15, [(":method", "CONNECT"), (":authority", "a:80")]),
            ]
            for bytes in refused { client.socket.write(bytes) }
            client.socket.write(head(17, good))
            var resets: [UInt8: UInt8] = [:]
            var answered = false
            while !answered || resets.count < refused.count {
                guard let frame = client.reader.take(9) else { break }
                let payload = client.reader.take(Int(frame[1]) << 8 | Int(frame[2])) ?? []
                if frame[3] == 3 { resets[frame[8]] = payload.last }
                if frame[3] == 1, frame[8] == 17 { answered = true }
            }
            #expect(resets == Dictionary(uniqueKeysWithValues: stride(from: 1, through: 15, by: 2).map { (UInt8($0), 1) }))
            #expect(answered)
            #expect(replica.seen.requests == 1)
            client.socket.write([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
            #expect(client.reader.rest().count > 0)
        }
    }

    @Test func `an upgrade to h2c is not passed on`() async throws {
        let replica = try TestReplica { request, connection in
            #expect(request["upgrade"] == nil && request["http2-settings"] == nil && request["connection"] == nil)
            return TestReplica.answer(request, connection)
        }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            for name in ["h2c", "H2C", "websocket, h2c", "h2c\r\nUpgrade: websocket"] {
                let response = try gateway.client().get(
                    fields: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: \(name)\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")
                #expect(response.status == 200)
            }
            let curl = try run("/usr/bin/curl", ["-sS", "--http2", "-H", "Host: a", "http://127.0.0.1:\(gateway.port)/"])
            #expect(curl.text == "1 GET / 0")
        }
    }

    @Test func `a stopping gateway finishes the streams it has and says goodbye`() async throws {
        let replica = try TestReplica { request, connection in
            usleep(500_000)
            return TestReplica.answer(request, connection)
        }
        try await TestGateway.with([TestGateway.web([replica], host: "127.0.0.1")]) { gateway in
            let curl = Mailbox<String>()
            let port = gateway.port
            Thread.detachNewThread {
                curl.put(
                    (try? run("/usr/bin/curl", ["-sS", "--http2-prior-knowledge", "http://127.0.0.1:\(port)/"]).text) ?? "?")
            }
            while replica.seen.requests == 0 { usleep(1000) }
            gateway.shutdown()
            let text = try curl.take()
            #expect(text == "1 GET / 0")
        }
    }
}
