import HTTPFraming
import Testing

struct ScannerResponseTests {
    private func scan(_ text: String, toHead: Bool = false) throws(FramingError) -> ResponseHead? {
        let bytes = Array(text.utf8)
        var scanner = ResponseScanner()
        let result: Result<ResponseHead?, FramingError> = bytes.withUnsafeBytes { buffer in
            Result { () throws(FramingError) in try scanner.scan(buffer, toHead: toHead) }
        }
        return try result.get()
    }

    @Test(arguments: [
        ("200 OK\r\nContent-Length: 5\r\n", false, BodyFraming.length(5)),
        ("200 \r\nTransfer-Encoding: Chunked\r\n", false, .chunked),
        ("200\r\n", false, .untilClose), ("200 OK\r\nContent-Length: 5\r\n", true, .none), ("204 No\r\n", false, .none),
        ("304 Not Modified\r\nContent-Length: 5\r\n", false, .none), ("100 Continue\r\n", false, .none),
    ])
    func `status, fields and method frame the body`(rest: String, toHead: Bool, body: BodyFraming) throws {
        let head = try #require(try scan("HTTP/1.1 \(rest)\r\n", toHead: toHead))
        #expect(head.body == body)
        #expect(head.keepAlive == (body != .untilClose))
    }

    @Test(arguments: [
        ("HTTP/2 200 OK\r\n\r\n", FramingError.malformedStatusLine), ("HTTP/1.1 20 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", .malformedStatusLine), ("HTTP/1.1 099 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 200 OK\n\r\n", .bareLineFeed), ("HTTP/1.1 200 OK\r\nA: b\n\r\n", .bareLineFeed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .duplicateContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndTransferCoding),
        ("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", .foldedField), ("HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
    ])
    func `an ambiguous response is refused`(source: String, error: FramingError) {
        #expect(throws: error) { try scan(source) }
    }

    @Test func `interim responses are told from final ones`() throws {
        #expect(try scan("HTTP/1.1 100 Continue\r\n\r\n")?.isInterim == true)
        #expect(try scan("HTTP/1.1 101 Switching Protocols\r\n\r\n")?.isInterim == false)
        #expect(try scan("HTTP/1.1 200 OK\r\n\r") == nil)
    }
}

struct ScannerBodyTests {
    /// The bytes the body takes, fed in pieces of one size.
    private func take(_ text: String, _ framing: BodyFraming, pieces: Int) throws -> (count: Int, done: Bool) {
        let bytes = Array(text.utf8)
        var scanner = BodyScanner(framing)
        var count = 0
        while count < bytes.count, !scanner.isDone {
            let end = min(bytes.count, count + pieces)
            let taken = try Array(bytes[count..<end]).withUnsafeBytes { try scanner.take($0) }
            #expect(taken == end - count || scanner.isDone)
            count += taken
        }
        return (count, scanner.isDone)
    }

    @Test(arguments: [
        "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "A;x=\"y\"\r\n0123456789\r\n00000\r\nA: b\r\nC:\r\n\r\n",
        "00000000000000f\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n",
    ])
    func `a chunked body ends where it ends and takes nothing of what follows`(body: String) throws {
        for pieces in [1, 2, 3, 5, 1000] {
            let (count, done) = try take(body + "GET / HTTP/1.1\r\n", .chunked, pieces: pieces)
            #expect(count == body.utf8.count)
            #expect(done)
        }
    }

    @Test(arguments: [
        ("\r\n", FramingError.invalidChunkSize), ("g\r\n", .invalidChunkSize), ("+5\r\n", .invalidChunkSize),
        ("0x5\r\n", .invalidChunkSize),
        ("5 \r\n", .invalidChunkSize), ("-1\r\n", .invalidChunkSize), ("5\nhello", .bareLineFeed), ("5;a\nhello", .bareLineFeed),
        ("5\rXhello", .bareCarriageReturn), ("5\r\nhelloX", .missingChunkEnd), ("5\r\nhello\rX", .missingChunkEnd),
        ("5\r\nhello\n0\r\n\r\n", .missingChunkEnd), ("1000000000000000\r\n", .invalidChunkSize), ("0\r\n\n", .bareLineFeed),
        ("0\r\n A: b\r\n\r\n", .invalidTrailer), ("0\r\nA b: c\r\n\r\n", .invalidTrailer),
        ("0\r\nA: \0\r\n\r\n", .invalidTrailer),
        ("0\r\nA: b\n\r\n", .bareLineFeed), ("5;" + String(repeating: "a", count: 257), .chunkExtensionTooLong),
        ("0\r\nA: " + String(repeating: "a", count: 4100), .trailersTooLarge),
    ])
    func `a malformed chunk is refused however it is cut`(body: String, error: FramingError) {
        for pieces in [1, 3, 10_000] {
            #expect(throws: error) { _ = try take(body, .chunked, pieces: pieces) }
        }
    }

    @Test func `a counted body takes its count and no more`() throws {
        for pieces in [1, 4, 100] {
            let (count, done) = try take("hello world", .length(5), pieces: pieces)
            #expect(count == 5)
            #expect(done)
        }
        #expect(BodyScanner(.length(0)).isDone)
        #expect(BodyScanner(.none).isDone)
        #expect(BodyScanner(.untilClose).endsAtClose)
    }
}
