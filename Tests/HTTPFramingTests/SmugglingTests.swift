import HTTPFraming
import Testing

/// Each connection of the corpus tries to hide `GET /smuggled` from one of two readers. It must be refused, or read in the one way
/// that there is; never must a request be seen that a stricter reader would take for a body, or the other way round.
struct SmugglingTests {
    enum Outcome: Hashable {
        /// Refused with this status before any request is passed on.
        case refused(Int)
        /// The first request's head is passed on, then its body is refused with this status.
        case bodyRefused(Int)
        /// This many requests, all of them meant.
        case requests(Int)
    }

    static let expected: [String: Outcome] = [
        "plain": .requests(1), "pipelined": .requests(3), "chunked": .requests(2), "chunked-trailers": .requests(2),
        "cl-te": .refused(400), "te-cl": .refused(400), "te-te": .refused(400), "te-chunked-twice": .refused(400),
        "te-identity": .refused(501), "te-not-last": .refused(400), "te-quoted": .refused(400),
        "te-space-before-colon": .refused(400), "te-tab": .refused(400), "te-vertical-tab": .refused(400),
        "te-folded": .refused(400), "te-http10": .refused(400), "te-hidden-by-cr": .refused(400),
        "te-hidden-by-lf": .refused(400),
        "length-twice": .refused(400), "length-differs": .refused(400), "length-list": .refused(400),
        "length-plus": .refused(400),
        "length-minus": .refused(400), "length-space": .refused(400), "length-hex": .refused(400), "length-empty": .refused(400),
        "length-overflow": .refused(400), "length-zeros": .requests(2), "length-underscore": .requests(2),
        "length-nul": .refused(400), "get-with-body": .requests(1), "bare-lf": .refused(400), "bare-lf-end": .refused(400),
        "fold": .refused(400), "fold-first": .refused(400), "nul-name": .refused(400), "nul-value": .refused(400),
        "high-bytes": .requests(2), "chunk-plus": .bodyRefused(400), "chunk-hex-prefix": .bodyRefused(400),
        "chunk-overflow": .bodyRefused(400), "chunk-space": .bodyRefused(400), "chunk-lf": .bodyRefused(400),
        "chunk-extension-lf": .bodyRefused(400), "chunk-extension-quoted": .bodyRefused(400),
        "chunk-long-data": .bodyRefused(400),
        "chunk-trailer-length": .bodyRefused(400), "close-then-more": .requests(1), "http10-keep-alive": .requests(2),
        "http10-keep-alive-tab": .requests(2), "http10-upgrade": .requests(2),
        "upgrade": .requests(1), "expect": .requests(2), "absolute": .requests(2), "empty-lines-first": .requests(1),
    ]

    @Test func `nothing is smuggled`() throws {
        let files = try Corpus.files("request")
        #expect(Set(files.map(\.name)) == Set(Self.expected.keys))
        for (name, bytes) in files {
            for cuts in [[], Array(bytes.indices)] {
                let reading = StrictReader.read(bytes, cuts: cuts, as: .requests)
                let outcome: Outcome =
                    switch (reading.error, reading.messages.count) {
                    case (nil, let count): .requests(count)
                    case (let error?, 0): .refused(error.status)
                    case (let error?, _): .bodyRefused(error.status)
                    }
                #expect(outcome == Self.expected[name], "\(name)")
                if reading.error == nil { #expect(reading.complete.count == reading.messages.count, "\(name)") }
            }
        }
    }

    @Test(arguments: [
        ("GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 20000) + "\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: a\r\n", count: 120) + "\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "a", count: 20000), 431),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + String(repeating: "a", count: 5000)
                + "\r\n\r\n",
            431
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=" + String(repeating: "a", count: 500)
                + "\r\nhello\r\n",
            400
        ),
    ])
    func `what is oversized is refused`(source: String, status: Int) {
        #expect(StrictReader.read(Array(source.utf8), cuts: [], as: .requests).error?.status == status)
    }
}
