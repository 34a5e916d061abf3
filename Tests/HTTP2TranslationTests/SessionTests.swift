import CNGHTTP2
import Glibc
import HTTPFraming
import Testing

@testable import HTTP2Translation

/// Two sessions joined by memory.
struct SessionPair {
    let client: HTTP2Session
    let server: HTTP2Session

    init(_ settings: HTTP2Settings = HTTP2Settings()) throws {
        client = try #require(HTTP2Session(.client, settings))
        server = try #require(HTTP2Session(.server, settings))
        run()
    }

    /// Carries bytes until both sides are silent.
    func run() {
        for _ in 0..<1000 {
            client.produce()
            server.produce()
            guard !client.output.isEmpty || !server.output.isEmpty else { return }
            let (up, down) = (Array(client.output.bytes), Array(server.output.bytes))
            client.output.clear()
            server.output.clear()
            up.withUnsafeBytes { server.receive($0, now: 0) }
            down.withUnsafeBytes { client.receive($0, now: 0) }
        }
        Issue.record("never silent")
    }

    func ask(_ text: String) -> HTTP2Stream {
        let stream = client.openStream()
        #expect(stream.write(text) == text.utf8.count)
        run()
        return stream
    }
}

extension HTTP2Stream {
    func write(_ text: String) -> Int { Array(text.utf8).withUnsafeBytes { send($0) } }

    /// All there is, and what the read after it says.
    func read() -> (text: String, end: Int) {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = buffer.withUnsafeMutableBytes { receive(into: $0) }
            guard count > 0 else { return (text, count) }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}

struct SessionTests {
    @Test func `a request and its response go through streams as HTTP 1 on both ends`() throws {
        let pair = try SessionPair()
        let asked = pair.ask("GET /a HTTP/1.1\r\nHost: b\r\nX-Y: z\r\n\r\n")
        let served = try #require(pair.server.takeArrivals().first)
        let request = served.read()
        #expect(request.text == "GET /a HTTP/1.1\r\nhost: b\r\nx-y: z\r\n\r\n")
        #expect(request.end == -Int(EAGAIN))
        #expect(served.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello") > 0)
        pair.run()
        let response = asked.read()
        #expect(response.text == "HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\nhello")
        #expect(response.end == 0)
        #expect(served.read().end == 0)
        served.close()
        asked.close()
        pair.run()
        #expect(pair.client.openStreams == 0 && pair.server.openStreams == 0)
        #expect(pair.client.failure == nil && pair.server.failure == nil)
    }

    @Test func `both directions flow at once, and trailers come behind`() throws {
        let pair = try SessionPair()
        let asked = pair.ask("POST /s HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n")
        let served = try #require(pair.server.takeArrivals().first)
        _ = served.read()
        #expect(served.write("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n") > 0)
        pair.run()
        #expect(asked.read().text.contains("transfer-encoding: chunked"))
        for round in 0..<5 {
            #expect(asked.write("3\r\nup\(round)\r\n") == 8)
            pair.run()
            #expect(served.read().text == "3\r\nup\(round)\r\n")
            #expect(served.write("5\r\ndown\(round)\r\n") == 10)
            pair.run()
            #expect(asked.read().text == "5\r\ndown\(round)\r\n")
        }
        #expect(asked.write("0\r\nx-end: 1\r\n\r\n") > 0)
        pair.run()
        #expect(served.read().text == "0\r\nx-end: 1\r\n\r\n")
        #expect(served.write("0\r\nGrpc-Status: 7\r\n\r\n") > 0)
        pair.run()
        let end = asked.read()
        #expect(end.text == "0\r\ngrpc-status: 7\r\n\r\n")
        #expect(end.end == 0)
    }

    @Test func `heads may come in pieces, and interim responses pass`() throws {
        let pair = try SessionPair()
        let asked = pair.client.openStream()
        for piece in ["PUT / HT", "TP/1.1\r\nHost: b\r\nContent-Le", "ngth: 4\r\nExpect: 100-continue\r\n\r", "\nab", "cd"] {
            #expect(asked.write(piece) == piece.utf8.count)
        }
        pair.run()
        let served = try #require(pair.server.takeArrivals().first)
        #expect(served.read().text.hasSuffix("content-length: 4\r\n\r\nabcd"))
        #expect(served.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n") > 0)
        pair.run()
        #expect(asked.read().text == "HTTP/1.1 100 \r\n\r\nHTTP/1.1 204 \r\n\r\n")
        #expect(asked.read().end == 0)
    }

    @Test func `one who does not read is sent no more than the window, and gets all in the end`() throws {
        let pair = try SessionPair()
        let asked = pair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let served = try #require(pair.server.takeArrivals().first)
        let piece = String(repeating: "x", count: 8192)
        _ = served.write("HTTP/1.1 200 OK\r\nContent-Length: \(piece.utf8.count * 100)\r\n\r\n")
        var written = 0
        var received = 0
        func write() {
            while written < 100, served.write(piece) > 0 {
                written += 1
                pair.run()
            }
        }
        write()
        #expect(written < 100 && written >= 8)
        for _ in 0..<1000 where written < 100 || received < 100 * 8192 {
            received += asked.read().text.utf8.count
            pair.run()
            write()
        }
        #expect(received > 100 * 8192)
        #expect(asked.read().end == 0)
    }

    @Test func `an upload is not read ahead of its reader`() throws {
        let pair = try SessionPair()
        let asked = pair.ask("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 1000000\r\n\r\n")
        let served = try #require(pair.server.takeArrivals().first)
        var sent = 0
        while asked.write(String(repeating: "y", count: 10_000)) > 0 {
            sent += 10_000
            pair.run()
        }
        #expect(sent < 200_000)
        var got = 0
        for _ in 0..<1000 where got < 1_000_000 {
            got += served.read().text.filter { $0 == "y" }.utf8.count
            pair.run()
            while sent < 1_000_000, asked.write(String(repeating: "y", count: 10_000)) > 0 { sent += 10_000 }
            pair.run()
        }
        #expect(got == 1_000_000)
    }

    @Test func `a client that leaves breaks its stream, and a replica that is cut off is no whole response`() throws {
        let pair = try SessionPair()
        let asked = pair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let served = try #require(pair.server.takeArrivals().first)
        _ = pair.server.takeNews()
        asked.close()
        pair.run()
        #expect(pair.server.takeNews().contains { $0.stream === served && $0.news.contains(.broken) })
        #expect(served.write("HTTP/1.1 200 OK\r\n\r\n") == -Int(EPIPE))

        let second = pair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let cut = try #require(pair.server.takeArrivals().first)
        _ = cut.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        pair.run()
        cut.cutOnClose()
        cut.close()
        pair.run()
        let response = second.read()
        #expect(response.text.hasSuffix("abc"))
        #expect(response.end == -Int(ECONNRESET))
    }

    @Test func `an answer before the end of the request reaches the client, and the rest of the request is stopped`() throws {
        let pair = try SessionPair()
        let asked = pair.ask("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 100\r\n\r\n")
        let served = try #require(pair.server.takeArrivals().first)
        _ = served.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
        served.close()
        pair.run()
        let response = asked.read()
        #expect(response.text.hasSuffix("\r\n\r\nno"))
        #expect(response.end == 0)
        #expect(asked.write("more") == -Int(EPIPE))
        #expect(pair.server.openStreams == 0)
    }

    @Test func `a response without a length ends with its connection`() throws {
        let pair = try SessionPair()
        let asked = pair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let served = try #require(pair.server.takeArrivals().first)
        _ = served.write("HTTP/1.1 200 OK\r\n\r\nabc")
        pair.run()
        #expect(asked.read().end == -Int(EAGAIN))
        served.endWriting()
        served.close()
        pair.run()
        #expect(asked.read().text == "0\r\n\r\n")
    }

    @Test func `a session that leaves finishes what it has and takes nothing new`() throws {
        let pair = try SessionPair()
        let asked = pair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let served = try #require(pair.server.takeArrivals().first)
        pair.server.leave(soon: false)
        pair.run()
        #expect(!pair.client.canOpen)
        let late = pair.ask("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n")
        #expect(late.wasRefused && late.isBroken)
        _ = served.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        served.close()
        pair.run()
        #expect(asked.read().text.hasSuffix("ok"))
        asked.close()
        pair.run()
        #expect(pair.server.isFinished)
    }

    @Test func `streams beyond the limit are not opened, and more are once some have ended`() throws {
        var settings = HTTP2Settings()
        settings.streams = 2
        let pair = try SessionPair(settings)
        let first = pair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(pair.client.canOpen)
        _ = pair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(!pair.client.canOpen)
        first.close()
        pair.run()
        #expect(pair.client.canOpen)
    }

    @Test func `one who resets stream after stream is cut off, one who lets them be answered is not`() throws {
        let abusive = try SessionPair()
        var resets = 0
        while abusive.server.failure == nil, resets < 5000 {
            let stream = abusive.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
            stream.close()
            abusive.run()
            for served in abusive.server.takeArrivals() { served.close() }
            resets += 1
        }
        #expect((150...300).contains(resets))

        let fair = try SessionPair()
        for _ in 0..<1000 {
            let given = fair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
            let asked = fair.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
            given.close()
            for served in fair.server.takeArrivals() {
                _ = served.write("HTTP/1.1 204 No Content\r\n\r\n")
                served.close()
            }
            fair.run()
            #expect(asked.read().end == 0)
            asked.close()
        }
        #expect(fair.server.failure == nil)
    }

    @Test func `floods of frames that cost nothing to send end the session`() throws {
        let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let priority: [UInt8] = [0, 0, 5, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 16]
        for frame in [ping, settings, priority] {
            let pair = try SessionPair()
            var count = 0
            while pair.server.failure == nil, count < 20_000 {
                frame.withUnsafeBytes { pair.server.receive($0, now: 0) }
                pair.server.produce()
                pair.server.output.clear()
                count += 1
            }
            #expect(count < 2000, "frame type \(frame[3])")
        }
        // With time between them, they are no flood.
        let pair = try SessionPair()
        for count in 0..<3000 {
            ping.withUnsafeBytes { pair.server.receive($0, now: Int64(count) * 100_000_000) }
            pair.server.produce()
            pair.server.output.clear()
        }
        #expect(pair.server.failure == nil)
    }

    @Test func `a head that goes on and on ends the session`() throws {
        let pair = try SessionPair()
        // HEADERS without END_HEADERS, then CONTINUATION without end.
        let headers: [UInt8] = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]
        let more: [UInt8] = [0, 0, 1, 9, 0, 0, 0, 0, 1, 0x84]
        headers.withUnsafeBytes { pair.server.receive($0, now: 0) }
        #expect(pair.server.isInHead)
        var count = 0
        while pair.server.failure == nil, count < 1000 {
            more.withUnsafeBytes { pair.server.receive($0, now: 0) }
            pair.server.produce()
            pair.server.output.clear()
            count += 1
        }
        #expect(count < 100)
        #expect(pair.server.takeArrivals().isEmpty)
    }

    @Test func `noise is no session`() throws {
        let server = try #require(HTTP2Session(.server))
        Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8).withUnsafeBytes { server.receive($0, now: 0) }
        #expect(server.failure != nil)
        let client = try #require(HTTP2Session(.client))
        let stream = client.openStream()
        _ = stream.write("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        client.produce()
        Array("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".utf8).withUnsafeBytes { client.receive($0, now: 0) }
        client.produce()
        #expect(client.failure != nil)
        let isBroken = stream.isBroken
        #expect(isBroken)
    }
}
