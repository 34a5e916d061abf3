/// splitmix64, so that a failure can be repeated from its printed seed.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func pick(_ choices: [String]) -> String { choices[Int.random(in: 0..<choices.count, using: &self)] }
    mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &self) == 0 }
}

/// Connections full of what readers have disagreed on, made from a seed.
struct FuzzInput {
    var bytes: [UInt8]
    var cuts: [Int]

    /// - Parameter seeds: whole connections to start from now and then; the corpus.
    static func requests(_ random: inout SeededRandom, seeds: [[UInt8]]) -> FuzzInput {
        if !seeds.isEmpty, random.chance(3) {
            return finished(seeds[Int.random(in: 0..<seeds.count, using: &random)], &random, mutates: true)
        }
        var text = ""
        for _ in 0..<Int.random(in: 1...3, using: &random) { text += request(&random) }
        return finished(Array(text.utf8), &random, mutates: random.chance(2))
    }

    static func responses(_ random: inout SeededRandom, seeds: [[UInt8]]) -> FuzzInput {
        if !seeds.isEmpty, random.chance(3) {
            return finished(seeds[Int.random(in: 0..<seeds.count, using: &random)], &random, mutates: true)
        }
        var text = ""
        for _ in 0..<Int.random(in: 1...3, using: &random) { text += response(&random) }
        return finished(Array(text.utf8), &random, mutates: random.chance(2))
    }

    private static func request(_ random: inout SeededRandom) -> String {
        let method = random.pick(["GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
        let target = random.pick(["/", "/", "/a?b=c", "/%00", "http://a/", "http://a:80/x", "*", "//a/"])
        let version = random.chance(12) ? random.pick(["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/1.1 ", "http/1.1"]) : "HTTP/1.1"
        var text = random.chance(20) ? random.pick(["\r\n", "\n", "\r", " "]) : ""
        text += "\(method) \(target) \(version)\(end(&random))"
        if !random.chance(20) { text += "Host: a\(end(&random))" }
        return text + fieldsAndBody(&random)
    }

    private static func response(_ random: inout SeededRandom) -> String {
        let version = random.chance(12) ? random.pick(["HTTP/1.0", "HTTP/2.0", "HTTP/1.1 "]) : "HTTP/1.1"
        let status = random.pick([
            "200 OK", "200 OK", "200 ", "200", "204 No Content", "304 Not Modified", "100 Continue", "404 Ä", "500 a\tb",
        ])
        return "\(version) \(status)\(end(&random))" + fieldsAndBody(&random)
    }

    private static func end(_ random: inout SeededRandom) -> String {
        random.chance(60) ? random.pick(["\n", "\r", "\r\r\n", "\n\r\n", " \r\n", "\r\n "]) : "\r\n"
    }

    private static let framingFields = [
        "Content-Length: 5", "Content-Length: 5", "Content-Length: 0", "Content-Length: 05", "Content-Length: +5",
        "Content-Length: 5 ",
        "Content-Length: 5, 5", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: ",
        "Content-Length: 5 5", "Content-Length: 0x5", "Content-Length : 5", "Content-Length:\t5",
        "Content-Length: 184467440737095516165",
        "content-length: 5", "Content-Length: 5;", "Content_Length: 5", "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: Chunked", "Transfer-Encoding: chunked ", "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding : chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5", "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:",
        "X: y\r\n Transfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\nTransfer-Encoding: chunked",
    ]
    private static let otherFields = [
        "Connection: close", "Connection: keep-alive", "Connection: Keep-Alive, close",
        "Connection: upgrade\r\nUpgrade: websocket",
        "Connection: content-length", "Connection: ,", "Expect: 100-continue", "X: \u{e4}", "X:", "X: a\tb", "X-\u{e4}: a",
        "X y: a", ": a",
        "X", "X: a\u{0}b", "X: \u{7f}", "Keep-Alive: timeout=5", "Proxy-Connection: close", "Host: b",
        "X: " + String(repeating: "a", count: 300),
    ]

    private static func fieldsAndBody(_ random: inout SeededRandom) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0...2, using: &random) { text += random.pick(otherFields) + end(&random) }
        if !random.chance(3) { text += random.pick(framingFields) + end(&random) }
        return text + end(&random) + body(&random)
    }

    private static func body(_ random: inout SeededRandom) -> String {
        if random.chance(3) {
            return random.pick(["", "hello", "hell", "helloGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "0\r\n\r\n"])
        }
        var text = ""
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            text += random.pick([
                "5\r\nhello\r\n", "5\r\nhello\r\n", "A;x=y\r\n0123456789\r\n", "00005\r\nhello\r\n", "5;x=\"\r\n\"\r\nhello\r\n",
                "5 \r\nhello\r\n",
                "5\nhello\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n", "5\r\nhelloX\r\n", "5\r\nhello", "5;\r\nhello\r\n",
                "FFFFFFFFFFFFFFFF\r\n",
                "10000000000000005\r\nhello\r\n", "-5\r\nhello\r\n", "5\rX\nhello\r\n", "5;a\nb\r\nhello\r\n",
                "5;x=\u{e4}\r\nhello\r\n",
            ])
        }
        return text
            + random.pick([
                "0\r\n\r\n", "0\r\n\r\n", "0\r\n\r\n", "0\r\nT: v\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n", "0\r\n", "0\n\n",
                "00\r\n\r\n",
                "0\r\nT\r\n\r\n", "0\r\nT: v\n\r\n", "0;x\r\n\r\n", "0\r\nX: a\r\n b\r\n\r\n", "",
            ])
    }

    private static func finished(_ whole: [UInt8], _ random: inout SeededRandom, mutates: Bool) -> FuzzInput {
        var bytes = whole
        if mutates {
            for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty { mutate(&bytes, &random) }
        }
        let cuts =
            bytes.isEmpty
            ? [] : (0..<Int.random(in: 0...4, using: &random)).map { _ in Int.random(in: 0..<bytes.count, using: &random) }
        return FuzzInput(bytes: bytes, cuts: random.chance(8) ? Array(bytes.indices) : cuts)
    }

    private static func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        let interesting: [UInt8] = [0, 9, 10, 13, 32, 43, 45, 48, 53, 58, 59, 44, 127, 128, 255]
        let at = Int.random(in: 0..<bytes.count, using: &random)
        let byte =
            random.chance(3)
            ? UInt8.random(in: 0...255, using: &random) : interesting[Int.random(in: 0..<interesting.count, using: &random)]
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[at] = byte
        case 1: bytes.insert(byte, at: at)
        case 2: bytes.remove(at: at)
        case 3: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        default:
            let end = min(bytes.count, at + Int.random(in: 1...20, using: &random))
            bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0...bytes.count, using: &random))
        }
    }
}
