import Testing

@testable import HTTPFraming

/// What a request head came to, in a form that a table can state.
private enum Outcome: Hashable {
    case head(RequestHead)
    case refused(FramingError)
    case incomplete
}

private func scan(_ text: String, limits: FramingLimits = FramingLimits()) -> (Outcome, [Field]) {
    let bytes = Array(text.utf8)
    var scanner = RequestScanner(limits: limits)
    let outcome: Outcome = bytes.withUnsafeBytes { buffer in
        do throws(FramingError) {
            return try scanner.scan(buffer).map { .head($0) } ?? .incomplete
        } catch {
            return .refused(error)
        }
    }
    return (outcome, scanner.fields)
}

private func text(_ range: ByteRange, in source: String) -> String {
    String(decoding: Array(source.utf8)[Int(range.start)..<Int(range.end)], as: UTF8.self)
}

struct ScannerTests {
    @Test func `a whole head is understood`() throws {
        let source = "POST /a/b?c=d HTTP/1.1\r\nHost: web.example.com:8080\r\nContent-Length:  12 \r\nX: y\r\n\r\nbody"
        let (outcome, fields) = scan(source)
        guard case .head(let head) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(head.method == .post)
        #expect(text(head.methodName, in: source) == "POST")
        #expect(text(head.target, in: source) == "/a/b?c=d")
        #expect(text(head.path, in: source) == "/a/b?c=d")
        #expect(text(head.authority, in: source) == "web.example.com:8080")
        #expect(head.body == .length(12))
        #expect(head.keepAlive)
        #expect(!head.upgrade)
        #expect(text(head.bytes, in: source) == source.dropLast(4))
        #expect(fields.map { text($0.name, in: source) } == ["Host", "Content-Length", "X"])
        #expect(fields.map { text($0.value, in: source) } == ["web.example.com:8080", "12", "y"])
        #expect(fields.map(\.role) == [.host, .contentLength, .plain])
        #expect(text(fields[1].line, in: source) == "Content-Length:  12 \r\n")
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nPOST http://b:1?q HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost:\ta\t\r\nConnection: x, close\r\nX: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close,\r\nCookie: \u{fc}\u{9}b\r\n\r\n",
    ])
    func `a head arriving byte by byte comes to the same`(source: String) throws {
        let bytes = Array(source.utf8)
        let (whole, fields) = scan(source)
        for pieces in [1, 2, 3, 7] {
            var scanner = RequestScanner()
            var outcome = Outcome.incomplete
            var count = 0
            while outcome == .incomplete, count < bytes.count {
                count = min(bytes.count, count + pieces)
                // A buffer of its own each time, so that reading past the end is found.
                try Array(bytes[..<count]).withUnsafeBytes { if let head = try scanner.scan($0) { outcome = .head(head) } }
            }
            #expect(outcome == whole)
            #expect(scanner.fields == fields)
            #expect(count == bytes.count)
        }
    }

    @Test(arguments: [
        ("/", "a"), ("http://b", "b"), ("http://b/", "b"), ("HTTP://b:80/x?y", "b:80"), ("https://[::1]:1/", "[::1]:1"),
        ("http://b?x", "b"),
    ])
    func `an absolute target's authority goes before the Host field`(target: String, authority: String) {
        let source = "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n"
        guard case .head(let head) = scan(source).0 else {
            Issue.record("\(scan(source).0)")
            return
        }
        #expect(text(head.authority, in: source) == authority)
    }

    @Test(arguments: [
        ("", "1.1", true), ("Connection: close\r\n", "1.1", false), ("Connection: keep-alive, Close\r\n", "1.1", false),
        ("", "1.0", false), ("Connection: Keep-Alive\r\n", "1.0", true), ("Connection: ,foo\r\n", "1.1", true),
    ])
    func `a connection is kept as version and Connection say`(fields: String, version: String, kept: Bool) {
        guard case .head(let head) = scan("GET / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n").0 else {
            Issue.record("refused")
            return
        }
        #expect(head.keepAlive == kept)
    }

    @Test func `fields for the next hop only are marked, those that frame or route are not`() {
        let source = """
            GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Own, host, upgrade\r\nx-oWn: 1\r\nKeep-Alive: 1\r\nTE: trailers\r
            Upgrade: websocket\r\nProxy-Connection: x\r\nX-Other: 1\r\n\r\n
            """
        let (outcome, fields) = scan(source)
        #expect(
            fields.map(\.role)
                == [.host, .connection, .hopByHop, .hopByHop, .hopByHop, .upgrade, .hopByHop, .plain])
        guard case .head(let head) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(head.upgrade)
    }

    @Test func `limits give their own statuses`() {
        var limits = FramingLimits()
        limits.headBytes = 100
        limits.targetBytes = 20
        limits.fields = 3
        let long = String(repeating: "a", count: 100)
        let host = "Host: a\r\n"
        let cases: [(String, FramingError)] = [
            ("GET /" + long, .targetTooLong), ("GET /aaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n", .targetTooLong),
            ("GET / HTTP/1.1\r\nX: " + long, .headTooLarge), ("GET / HTTP/1.1\r\n\(host)A:\r\nB:\r\nC:\r\n\r\n", .tooManyFields),
        ]
        for (source, error) in cases { #expect(scan(source, limits: limits).0 == .refused(error), "\(source)") }
        #expect(FramingError.targetTooLong.status == 414)
        #expect(FramingError.headTooLarge.status == 431)
        #expect(FramingError.tooManyFields.status == 431)
    }

    @Test func `the byte classes are those of RFC 9110`() {
        let letters = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        for byte in UInt8.min...UInt8.max {
            #expect(ByteClass.isToken(byte) == (letters.contains(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte)))
            #expect(ByteClass.isHost(byte) == (letters.contains(byte) || "-._~!$&'()*+;=%".utf8.contains(byte)))
        }
    }

    @Test func `the first control character is found wherever it lies`() {
        for length in 0..<40 {
            for position in 0..<length {
                for control: UInt8 in [0, 9, 10, 13, 31, 127] {
                    for filler: UInt8 in [32, 126, 128, 255] {
                        var bytes = [UInt8](repeating: filler, count: length)
                        bytes[position] = control
                        bytes.withUnsafeBytes { buffer in
                            guard let base = buffer.baseAddress else { return }
                            #expect(ByteClass.firstControl(base, 0, length) == position)
                            #expect(ByteClass.firstControl(base, 0, position) == position)
                        }
                    }
                }
            }
        }
    }
}
