/// Gathers the header fields of one HTTP/2 request and tells them as the head of an HTTP/1.1 request.
///
/// What comes out is read by `RequestScanner`, which has the last word: this type sees to it that no byte of a field can be taken for
/// another line, and that what frames the body is written here and nowhere else.
package struct StreamRequestHead: ~Copyable {
    private let limit: Int
    private var method = ByteQueue()
    private var path = ByteQueue()
    private var authority = ByteQueue()
    private var host = ByteQueue()
    private var cookies = ByteQueue()
    private var lines = ByteQueue()
    private var length: UInt64?
    private var seen: UInt8 = 0
    private var hasHost = false
    private var used = 0

    /// Fields beyond `limits.headBytes` are counted and not kept: the head is then written too large, and refused for that.
    package init(limits: FramingLimits) { limit = limits.headBytes }

    package mutating func reset() {
        method.clear()
        path.clear()
        authority.clear()
        host.clear()
        cookies.clear()
        lines.clear()
        length = nil
        seen = 0
        hasHost = false
        used = 0
    }

    /// The method is HEAD, whose response has no body.
    package var isHead: Bool { method.bytes.elementsEqual("HEAD".utf8) }

    package mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(StreamError) {
        let kind = try StreamFields.check(name, value)
        used += name.count + value.count + 4
        let fits = used <= limit
        switch kind {
        case .pseudo: try addPseudo(name, value, fits)
        case .host:
            guard !hasHost else { throw .invalidAuthority }
            hasHost = true
            if fits { host.append(value) }
        case .cookie:
            guard fits else { return }
            // One cookie field may come as many lines; HTTP/1.1 has one (RFC 9113 section 8.2.3).
            if !cookies.isEmpty { cookies.append("; ") }
            cookies.append(value)
        case .contentLength:
            guard length == nil else { throw .repeatedLength }
            length = try StreamFields.length(value)
        case .te: break
        case .plain: if fits { StreamFields.line(name, value, into: &lines) }
        }
    }

    private mutating func addPseudo(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ fits: Bool
    ) throws(StreamError) {
        guard lines.isEmpty, cookies.isEmpty, !hasHost, length == nil else { throw .latePseudoField }
        guard let base = name.baseAddress else { throw .unknownPseudoField }
        func named(_ text: StaticString) -> Bool { ByteClass.equal(base, 0, name.count, text) }
        let bit: UInt8
        if named(":method") {
            bit = 1
            guard !value.isEmpty, value.allSatisfy(ByteClass.isToken) else { throw .invalidMethod }
            if let text = value.baseAddress, ByteClass.equal(text, 0, value.count, "connect") { throw .connect }
            if fits { method.append(value) }
        } else if named(":path") {
            bit = 2
            guard let first = value.first, first == 0x2F || first == 0x2A, value.allSatisfy(ByteClass.isTarget) else {
                throw .invalidPath
            }
            if fits { path.append(value) }
        } else if named(":scheme") {
            bit = 4
            guard let text = value.baseAddress,
                ByteClass.equal(text, 0, value.count, "http") || ByteClass.equal(text, 0, value.count, "https")
            else { throw .invalidScheme }
        } else if named(":authority") {
            bit = 8
            if fits { authority.append(value) }
        } else {
            throw .unknownPseudoField
        }
        guard seen & bit == 0 else { throw .repeatedPseudoField }
        seen |= bit
    }

    /// Writes the head and tells how the body behind it is framed. `endsStream` says that none follows.
    package mutating func write(endsStream: Bool, into out: inout ByteQueue) throws(StreamError) -> StreamBodyWriter {
        guard seen & 7 == 7 else { throw .missingPseudoField }
        guard used <= limit else {
            tooLarge(into: &out)
            // What of a body comes before the answer has gone is of no interest.
            return StreamBodyWriter(.untilClose)
        }
        if hasHost, seen & 8 != 0, !Self.sameName(host.bytes, authority.bytes) { throw .authorityIsNotHost }
        let name = seen & 8 != 0 ? authority.bytes : host.bytes
        try Self.checkAuthority(name)
        var framing = StreamBodyWriter.Framing.chunked
        if endsStream {
            guard length ?? 0 == 0 else { throw .lengthIsNotData }
            framing = .none
        } else if let length {
            framing = .length(length)
        }
        out.append(method.bytes)
        out.append(" ")
        out.append(path.bytes)
        out.append(" HTTP/1.1\r\n")
        if hasHost || seen & 8 != 0 {
            out.append("host: ")
            out.append(name)
            out.append("\r\n")
        }
        out.append(lines.bytes)
        if !cookies.isEmpty {
            out.append("cookie: ")
            out.append(cookies.bytes)
            out.append("\r\n")
        }
        if let length {
            out.append("content-length: ")
            out.append(text: String(length))
            out.append("\r\n")
        } else if !endsStream {
            out.append("transfer-encoding: chunked\r\n")
        }
        out.append("\r\n")
        return StreamBodyWriter(framing)
    }

    /// A head that any scanner with the same limit refuses as too large.
    private func tooLarge(into out: inout ByteQueue) {
        out.append("GET / HTTP/1.1\r\nx-too-large: ")
        for _ in 0..<limit { out.append(byte: 0x78) }
    }

    private static func sameName(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
        return a.count == b.count && zip(a, b).allSatisfy { lower($0) == lower($1) }
    }

    private static func checkAuthority(_ name: UnsafeRawBufferPointer) throws(StreamError) {
        guard let base = name.baseAddress else { return }
        do throws(FramingError) {
            try RequestLine.checkAuthority(base, 0, name.count)
        } catch {
            throw .invalidAuthority
        }
    }
}
