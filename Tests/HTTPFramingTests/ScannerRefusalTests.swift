import HTTPFraming
import Testing

struct ScannerRefusalTests {
    static let cases: [(String, FramingError)] = [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", .bareLineFeed), ("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed), ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", .bareCarriageReturn),
        ("GET  / HTTP/1.1\r\n\r\n", .malformedRequestLine), ("GET /  HTTP/1.1\r\n\r\n", .malformedRequestLine),
        ("GET / HTTP/1.1 \r\n\r\n", .malformedRequestLine), ("GET /\r\n\r\n", .malformedRequestLine),
        (" GET / HTTP/1.1\r\n\r\n", .malformedRequestLine), ("GET\t/ HTTP/1.1\r\n\r\n", .malformedRequestLine),
        ("GET / http/1.1\r\n\r\n", .malformedRequestLine), ("GET / HTTP/1.10\r\n\r\n", .malformedRequestLine),
        ("GET / HTTP/2.0\r\n\r\n", .unsupportedVersion), ("GET / HTTP/1.2\r\n\r\n", .unsupportedVersion),
        ("CONNECT a:1 HTTP/1.1\r\n\r\n", .unsupportedMethod),
        ("GET /\u{e9} HTTP/1.1\r\n\r\n", .invalidTarget), ("GET /a\0 HTTP/1.1\r\n\r\n", .invalidTarget),
        ("GET /#a HTTP/1.1\r\n\r\n", .invalidTarget), ("GET a HTTP/1.1\r\n\r\n", .invalidTarget),
        ("GET * HTTP/1.1\r\n\r\n", .invalidTarget), ("GET http:///a HTTP/1.1\r\n\r\n", .invalidTarget),
        ("GET http://u@b/ HTTP/1.1\r\n\r\n", .invalidHost),
        ("GET / HTTP/1.1\r\n\r\n", .missingHost), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .duplicateHost),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .invalidHost), ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .invalidHost),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", .invalidHost), ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", .invalidHost),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", .invalidHost), ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", .invalidHost),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .invalidFieldName), ("GET / HTTP/1.1\r\n: a\r\n\r\n", .invalidFieldName),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", .invalidFieldName), ("GET / HTTP/1.1\r\nA\0: b\r\n\r\n", .invalidFieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", .foldedField), ("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", .foldedField),
        ("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", .invalidFieldValue),
        ("GET / HTTP/1.1\r\nHost: \u{7f}\r\n\r\n", .invalidFieldValue),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", .invalidContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", .invalidContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", .invalidContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", .invalidContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", .invalidContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", .invalidContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", .duplicateContentLength),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndTransferCoding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", .lengthAndTransferCoding),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            .invalidTransferCoding
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", .invalidTransferCoding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", .invalidTransferCoding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", .invalidTransferCoding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", .invalidTransferCoding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferCoding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", .unsupportedTransferCoding),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", .unsupportedTransferCoding),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .transferCodingBeforeHTTP11),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", .invalidConnectionOption),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", .unsupportedExpectation),
    ]

    @Test(arguments: cases.indices)
    func `an ambiguous or malformed request is refused for its reason`(index: Int) {
        let (source, error) = Self.cases[index]
        let bytes = Array(source.utf8)
        for pieces in [1, bytes.count] {
            var scanner = RequestScanner()
            var refusal: FramingError?
            var count = 0
            while refusal == nil, count < bytes.count {
                count = min(bytes.count, count + pieces)
                Array(bytes[..<count]).withUnsafeBytes { buffer in
                    do throws(FramingError) {
                        if try scanner.scan(buffer) != nil { count = bytes.count }
                    } catch {
                        refusal = error
                    }
                }
            }
            #expect(refusal == error, "\(source.debugDescription) in pieces of \(pieces)")
        }
    }
}
