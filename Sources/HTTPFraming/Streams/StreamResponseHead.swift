/// Gathers the header fields of one HTTP/2 response and tells them as the head of an HTTP/1.1 response.
package struct StreamResponseHead: ~Copyable {
    private let limit: Int
    private var lines = ByteQueue()
    private var length: UInt64?
    private var isGRPC = false
    private var used = 0
    /// 0 before `:status` came.
    package private(set) var status = 0

    package init(limits: FramingLimits) { limit = limits.headBytes }

    package mutating func reset() {
        lines.clear()
        length = nil
        isGRPC = false
        used = 0
        status = 0
    }

    package var isInterim: Bool { status < 200 }

    package mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(StreamError) {
        let kind = try StreamFields.check(name, value)
        used += name.count + value.count + 4
        switch kind {
        case .pseudo: try addStatus(name, value)
        case .te: throw .connectionField
        case .contentLength:
            guard length == nil else { throw .repeatedLength }
            length = try StreamFields.length(value)
        case .plain, .host, .cookie:
            noteType(name, value)
            if used <= limit { StreamFields.line(name, value, into: &lines) }
        }
        // HTTP/1.1 has a status line and what frames the body besides.
        guard status != 0 else { throw .missingPseudoField }
    }

    private mutating func addStatus(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(StreamError) {
        guard let base = name.baseAddress, ByteClass.equal(base, 0, name.count, ":status") else { throw .unknownPseudoField }
        guard status == 0 else { throw .repeatedPseudoField }
        guard value.count == 3, value.allSatisfy(ByteClass.isDigit), value[0] >= 0x31 else { throw .invalidStatus }
        let number = value.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        // 101 has no meaning where connections carry many streams.
        guard number != 101 else { throw .invalidStatus }
        status = number
    }

    /// The trailers of gRPC say how the call ended: they must not be lost for the sake of a length.
    private mutating func noteType(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        let prefix: StaticString = "application/grpc"
        guard name.count == 12, let base = name.baseAddress, ByteClass.equal(base, 0, 12, "content-type"),
            let text = value.baseAddress, value.count >= prefix.utf8CodeUnitCount
        else { return }
        isGRPC = ByteClass.equal(text, 0, prefix.utf8CodeUnitCount, prefix)
    }

    /// Writes the head and tells how the body behind it is framed. `minorVersion` is the request's: HTTP/1.0 has no chunks. nil when the
    /// head is larger than the limit.
    package mutating func write(
        endsStream: Bool, toHead: Bool, minorVersion: UInt8, into out: inout ByteQueue
    ) throws(StreamError) -> StreamBodyWriter? {
        guard status != 0 else { throw .missingPseudoField }
        guard used <= limit else { return nil }
        out.append("HTTP/1.1 ")
        out.append(text: String(status))
        out.append(" \r\n")
        out.append(lines.bytes)
        let framing = try frame(endsStream, toHead, minorVersion, &out)
        out.append("\r\n")
        return StreamBodyWriter(framing)
    }

    private func frame(
        _ endsStream: Bool, _ toHead: Bool, _ minorVersion: UInt8, _ out: inout ByteQueue
    ) throws(StreamError) -> StreamBodyWriter.Framing {
        func write(_ length: UInt64) {
            out.append("content-length: ")
            out.append(text: String(length))
            out.append("\r\n")
        }
        if status < 200 || status == 204 { return .none }
        if toHead || status == 304 {
            if let length { write(length) }
            return .none
        }
        if endsStream {
            guard length ?? 0 == 0 else { throw .lengthIsNotData }
            write(0)
            return .none
        }
        if let length, !isGRPC || minorVersion == 0 {
            write(length)
            return .length(length)
        }
        guard minorVersion > 0 else { return .untilClose }
        out.append("transfer-encoding: chunked\r\n")
        return .chunked
    }
}
