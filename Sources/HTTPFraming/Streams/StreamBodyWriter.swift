/// Tells the data and trailers of an HTTP/2 stream as the body of an HTTP/1.1 message.
package struct StreamBodyWriter: Hashable, Sendable {
    /// How the head said that the body ends.
    package enum Framing: Hashable, Sendable {
        case none
        /// Bytes still to come.
        case length(UInt64)
        case chunked
        /// The body ends when the virtual connection does.
        case untilClose
    }

    private var framing: Framing

    package init(_ framing: Framing) { self.framing = framing }

    /// Every byte of the body came, though the stream may not have ended.
    package var isWhole: Bool { framing == .none || framing == .length(0) }
    package var endsAtClose: Bool { framing == .untilClose }

    package mutating func data(_ bytes: UnsafeRawBufferPointer, into out: inout ByteQueue) throws(StreamError) {
        guard !bytes.isEmpty else { return }
        switch framing {
        case .none: throw .lengthIsNotData
        case .length(let left):
            guard bytes.count <= left else { throw .lengthIsNotData }
            framing = .length(left - UInt64(bytes.count))
            out.append(bytes)
        case .chunked:
            out.append(text: String(bytes.count, radix: 16))
            out.append("\r\n")
            out.append(bytes)
            out.append("\r\n")
        case .untilClose: out.append(bytes)
        }
    }

    /// The stream ended without trailers.
    package mutating func end(into out: inout ByteQueue) throws(StreamError) {
        switch framing {
        case .none, .length(0), .untilClose: break
        case .length: throw .lengthIsNotData
        case .chunked: out.append("0\r\n\r\n")
        }
        framing = .none
    }

    /// The stream ended with trailers. They are lost where HTTP/1.1 has no place for them, which RFC 9110 section 6.5 allows.
    package mutating func end(_ trailers: borrowing StreamTrailers, into out: inout ByteQueue) throws(StreamError) {
        guard framing == .chunked else { return try end(into: &out) }
        out.append("0\r\n")
        trailers.write(into: &out)
        out.append("\r\n")
        framing = .none
    }
}

/// Gathers the trailers of one stream.
package struct StreamTrailers: ~Copyable {
    private let limit: Int
    private var lines = ByteQueue()

    package init(limits: FramingLimits) { limit = limits.trailerBytes - 2 }

    package mutating func reset() { lines.clear() }

    package mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(StreamError) {
        switch try StreamFields.check(name, value) {
        case .pseudo: throw .latePseudoField
        case .host, .contentLength, .te: throw .invalidTrailer
        case .cookie, .plain: break
        }
        guard !ChunkedScanner.isForbiddenTrailer(name) else { throw .invalidTrailer }
        guard lines.count + name.count + value.count + 4 <= limit else { throw .trailersTooLarge }
        StreamFields.line(name, value, into: &lines)
    }

    func write(into out: inout ByteQueue) { out.append(lines.bytes) }
}
