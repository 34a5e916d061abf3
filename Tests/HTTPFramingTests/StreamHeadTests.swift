import Testing

@testable import HTTPFraming

/// HTTP/2 messages told as HTTP/1.1: what comes out, and what is refused.
struct StreamHeadTests {
    typealias Fields = [(String, String)]

    private static let get: Fields = [
        (":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/x?y"),
    ]

    private static func with<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try Array(text.utf8).withUnsafeBytes(body)
    }

    private static func text(_ queue: borrowing ByteQueue) -> String { String(decoding: queue.bytes, as: UTF8.self) }

    private static func request(_ fields: Fields, endsStream: Bool = true) throws(StreamError) -> String {
        var head = StreamRequestHead(limits: FramingLimits())
        var out = ByteQueue()
        for (name, value) in fields { try add(name, value) { (a, b) throws(StreamError) in try head.add(a, b) } }
        _ = try head.write(endsStream: endsStream, into: &out)
        return text(out)
    }

    private static func add(
        _ name: String, _ value: String, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(StreamError) -> Void
    ) throws(StreamError) {
        let (name, value) = (Array(name.utf8), Array(value.utf8))
        var failure: StreamError?
        name.withUnsafeBytes { name in
            value.withUnsafeBytes { value in
                do throws(StreamError) { try body(name, value) } catch { failure = error }
            }
        }
        if let failure { throw failure }
    }

    @Test func `a request becomes one head with one host and one cookie`() throws {
        let text = try Self.request(
            Self.get + [("cookie", "a=1"), ("x-b", "c"), ("te", "trailers"), ("cookie", "d=2"), ("empty", "")])
        #expect(text == "GET /x?y HTTP/1.1\r\nhost: a.example\r\nx-b: c\r\nempty: \r\ncookie: a=1; d=2\r\n\r\n")
    }

    @Test func `the body of a request is framed by its length, or by chunks`() throws {
        #expect(try Self.request(Self.get + [("content-length", "3")], endsStream: false).contains("content-length: 3\r\n\r\n"))
        #expect(try Self.request(Self.get, endsStream: false).hasSuffix("transfer-encoding: chunked\r\n\r\n"))
        #expect(try !Self.request(Self.get).contains("chunked"))
    }

    /// Each of these, told as HTTP/1.1 without a check, would be two requests, another request, or a body of another length.
    private static let refused: [(String, Fields, StreamError)] = [
        ("line break in a value", get + [("x", "1\r\nContent-Length: 5")], .invalidValue),
        ("line feed in a value", get + [("x", "1\nhost: b")], .invalidValue),
        ("NUL in a value", get + [("x", "a\0b")], .invalidValue),
        ("blank before a value", get + [("x", " a")], .invalidValue),
        ("tab after a value", get + [("x", "a\t")], .invalidValue),
        ("line break in a name", get + [("x: 1\r\ny", "2")], .invalidName),
        ("colon in a name", get + [("x:", "2")], .invalidName),
        ("space in a name", get + [("content-length ", "2")], .invalidName),
        ("empty name", get + [("", "2")], .invalidName),
        ("upper case", get + [("X-Y", "2")], .upperCaseName),
        ("transfer-encoding", get + [("transfer-encoding", "chunked")], .connectionField),
        ("connection", get + [("connection", "close")], .connectionField),
        ("keep-alive", get + [("keep-alive", "1")], .connectionField),
        ("proxy-connection", get + [("proxy-connection", "close")], .connectionField),
        ("upgrade", get + [("upgrade", "websocket")], .connectionField),
        ("te other than trailers", get + [("te", "gzip")], .connectionField),
        ("two lengths", get + [("content-length", "0"), ("content-length", "0")], .repeatedLength),
        ("length with a sign", get + [("content-length", "+1")], .invalidLength),
        ("length of nothing", get + [("content-length", "")], .invalidLength),
        ("list of lengths", get + [("content-length", "1, 1")], .invalidLength),
        ("length too long", get + [("content-length", "1234567890123456789")], .invalidLength),
        ("length without data", get + [("content-length", "1")], .lengthIsNotData),
        ("no method", [(":scheme", "http"), (":path", "/")], .missingPseudoField),
        ("no path", [(":method", "GET"), (":scheme", "http")], .missingPseudoField),
        ("no scheme", [(":method", "GET"), (":path", "/")], .missingPseudoField),
        ("two methods", get + [(":method", "GET")], .repeatedPseudoField),
        ("two authorities", get + [(":authority", "b")], .repeatedPseudoField),
        ("pseudo field after a field", [("x", "1")] + get, .latePseudoField),
        ("pseudo field after a host", [("host", "a.example")] + get, .latePseudoField),
        ("unknown pseudo field", [(":protocol", "websocket")] + get, .unknownPseudoField),
        ("status in a request", [(":status", "200")] + get, .unknownPseudoField),
        ("CONNECT", [(":method", "CONNECT"), (":authority", "a:443")], .connect),
        ("connect in small letters", [(":method", "connect"), (":authority", "a:443")], .connect),
        ("method with a space", [(":method", "GET / HTTP/1.1")], .invalidMethod),
        ("empty method", [(":method", "")], .invalidMethod),
        ("path with a line break", [(":method", "GET"), (":path", "/ HTTP/1.1\r\nx: y")], .invalidValue),
        ("path with a space", [(":method", "GET"), (":path", "/a b")], .invalidPath),
        ("empty path", [(":method", "GET"), (":path", "")], .invalidPath),
        ("absolute path", [(":method", "GET"), (":path", "http://b/")], .invalidPath),
        ("path with a fragment", [(":method", "GET"), (":path", "/#a")], .invalidPath),
        ("strange scheme", [(":method", "GET"), (":scheme", "ftp")], .invalidScheme),
        ("host is not authority", get + [("host", "b.example")], .authorityIsNotHost),
        ("two hosts", get + [("host", "a.example"), ("host", "a.example")], .invalidAuthority),
        (
            "authority with a user", [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "u@a")],
            .invalidAuthority
        ),
        (
            "authority with a path", [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a/b")],
            .invalidAuthority
        ),
    ]

    @Test func `what could hide a request in another is refused`() {
        for (name, fields, error) in Self.refused {
            #expect(throws: error, "\(name)") { try Self.request(fields) }
        }
    }

    @Test func `whatever is accepted is one request for the scanner too`() throws {
        // Every byte at each place of a value, a name, a path: accepted ones must be read back as they were.
        for byte in UInt8.min...UInt8.max {
            let odd = String(decoding: [0x61, byte, 0x62], as: UTF8.self)
            for fields in [Self.get + [("x", odd)], Self.get + [(odd, "v")], [(":method", odd)] + Self.get.dropFirst()] {
                guard let text = try? Self.request(fields) else { continue }
                var scanner = RequestScanner()
                try Self.with(text) { bytes in
                    let head = try scanner.scan(bytes)
                    #expect(head.map { Int($0.bytes.end) } == bytes.count, "byte \(byte)")
                    #expect(scanner.fields.count == fields.count - 3)
                }
            }
        }
    }

    @Test func `a head beyond the limit is told as one that the scanner refuses`() throws {
        let large = String(repeating: "x", count: 9000)
        let text = try Self.request(Self.get + [("a", large), ("b", large), ("c", large)])
        var scanner = RequestScanner()
        #expect(throws: FramingError.headTooLarge) { try Self.with(text) { _ = try scanner.scan($0) } }
        #expect(text.utf8.count < 20_000)
    }

    private static func response(
        _ fields: Fields, endsStream: Bool = false, toHead: Bool = false, minorVersion: UInt8 = 1
    ) throws(StreamError) -> String {
        var head = StreamResponseHead(limits: FramingLimits())
        var out = ByteQueue()
        for (name, value) in fields { try add(name, value) { (a, b) throws(StreamError) in try head.add(a, b) } }
        _ = try head.write(endsStream: endsStream, toHead: toHead, minorVersion: minorVersion, into: &out)
        return text(out)
    }

    @Test func `a response is framed as its stream is`() throws {
        #expect(try Self.response([(":status", "200")]) == "HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n")
        #expect(try Self.response([(":status", "200")], endsStream: true) == "HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n")
        #expect(try Self.response([(":status", "200"), ("content-length", "5")]) == "HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\n")
        #expect(try Self.response([(":status", "200")], minorVersion: 0) == "HTTP/1.1 200 \r\n\r\n")
        #expect(try Self.response([(":status", "204")], endsStream: true) == "HTTP/1.1 204 \r\n\r\n")
        #expect(
            try Self.response([(":status", "200"), ("content-length", "5")], endsStream: true, toHead: true)
                == "HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\n")
        // The trailers of gRPC need chunks.
        #expect(
            try Self.response([(":status", "200"), ("content-type", "application/grpc+proto"), ("content-length", "5")])
                == "HTTP/1.1 200 \r\ncontent-type: application/grpc+proto\r\ntransfer-encoding: chunked\r\n\r\n")
    }

    @Test func `a malformed response is refused`() {
        let cases: [(Fields, StreamError)] = [
            ([("x", "y")], .missingPseudoField), ([(":status", "20")], .invalidStatus), ([(":status", "099")], .invalidStatus),
            ([(":status", "101")], .invalidStatus), ([(":status", "200"), (":status", "200")], .repeatedPseudoField),
            ([(":status", "200"), ("connection", "close")], .connectionField),
            ([(":status", "200"), ("transfer-encoding", "chunked")], .connectionField),
            ([(":status", "200"), ("x", "a\r\nb: c")], .invalidValue), ([(":path", "/")], .unknownPseudoField),
        ]
        for (fields, error) in cases { #expect(throws: error) { try Self.response(fields) } }
    }

    @Test func `data become chunks, trailers follow the last one, and back again`() throws {
        var writer = StreamBodyWriter(.chunked)
        var trailers = StreamTrailers(limits: FramingLimits())
        var out = ByteQueue()
        try Self.with("hello") { try writer.data($0, into: &out) }
        try Self.with(String(repeating: "x", count: 300)) { try writer.data($0, into: &out) }
        try Self.add("grpc-status", "0") { (a, b) throws(StreamError) in try trailers.add(a, b) }
        try writer.end(trailers, into: &out)
        #expect(Self.text(out).hasPrefix("5\r\nhello\r\n12c\r\nxxx"))
        #expect(Self.text(out).hasSuffix("xxx\r\n0\r\ngrpc-status: 0\r\n\r\n"))

        for step in [1, 2, 3, 7, 400] {
            var reader = StreamBodyReader(.chunked, limits: FramingLimits())
            var data = ByteQueue()
            let bytes = Array(out.bytes)
            for start in stride(from: 0, to: bytes.count, by: step) {
                let piece = Array(bytes[start..<min(bytes.count, start + step)])
                #expect(try piece.withUnsafeBytes { try reader.take($0, into: &data) } == piece.count)
            }
            let isDone = reader.isDone
            #expect(isDone)
            #expect(Self.text(data) == "hello" + String(repeating: "x", count: 300))
            let count = reader.trailers.lines.count
            #expect(count == 1)
        }
    }

    @Test func `a body is as long as its length says`() throws {
        var short = StreamBodyWriter(.length(4))
        var out = ByteQueue()
        try Self.with("abc") { try short.data($0, into: &out) }
        #expect(throws: StreamError.lengthIsNotData) { try short.end(into: &out) }
        var long = StreamBodyWriter(.length(2))
        #expect(throws: StreamError.lengthIsNotData) { try Self.with("abc") { try long.data($0, into: &out) } }
    }

    @Test func `trailers that a head alone may have are refused`() {
        for name in ["host", "content-length", "te", "transfer-encoding", "connection", "trailer", "expect", ":path", "X"] {
            var trailers = StreamTrailers(limits: FramingLimits())
            #expect(throws: StreamError.self, "\(name)") {
                try Self.add(name, "trailers") { (a, b) throws(StreamError) in try trailers.add(a, b) }
            }
        }
    }
}
