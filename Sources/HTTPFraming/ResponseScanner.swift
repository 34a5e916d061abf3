/// One whole response head; every range lies in the buffer that was scanned.
package struct ResponseHead: Hashable, Sendable {
    /// 100-999.
    package var status: Int
    /// 0 or 1.
    package var minorVersion: UInt8
    package var body: BodyFraming
    /// The server keeps the connection after this response.
    package var keepAlive: Bool
    /// The first byte behind the status line, and the first byte behind the head.
    package var statusLineEnd: Int
    package var end: Int

    /// Another head follows this one. (101 is final: what follows is not HTTP.)
    package var isInterim: Bool { status < 200 && status != 101 }
}

/// Reads response heads out of a connection's bytes, incrementally and strictly (RFC 9112).
package struct ResponseScanner: Sendable {
    private let limits: FramingLimits
    /// What is read so far of the fields. Its `fields` can be had of a scanner in a class without copying the scanner.
    package private(set) var section = FieldSection()
    private var position = 0
    private var status: (code: Int, minor: UInt8, end: Int)?

    package init(limits: FramingLimits = FramingLimits()) { self.limits = limits }

    /// The field lines of the head last returned.
    package var fields: [Field] { section.fields }

    /// Forgets what was read: call it before the first bytes of each further response.
    package mutating func reset() {
        section.reset()
        position = 0
        status = nil
    }

    /// Reads on. `bytes` starts where the first call's did and has everything since; nil means that the head is not whole yet.
    /// `toHead` says that the request was HEAD, whose responses have no body whatever their fields say.
    package mutating func scan(_ bytes: UnsafeRawBufferPointer, toHead: Bool) throws(FramingError) -> ResponseHead? {
        guard let base = bytes.baseAddress else { return nil }
        let end = min(bytes.count, limits.headBytes)
        if status == nil {
            guard let read = try Self.statusLine(base, &position, end) else { return try unfinished(bytes.count) }
            status = (read.code, read.minor, position)
        }
        while let status {
            switch try section.line(base, &position, end, limits) {
            case .field: continue
            case .incomplete: return try unfinished(bytes.count)
            case .end:
                section.markNamed(base)
                let persistent = status.minor > 0 || section.keepAlive
                let body = try bodyFraming(status.code, status.minor, toHead)
                return ResponseHead(
                    status: status.code, minorVersion: status.minor, body: body,
                    keepAlive: persistent && !section.close && body != .untilClose && status.code != 101,
                    statusLineEnd: status.end, end: position)
            }
        }
        return nil
    }

    private func unfinished(_ count: Int) throws(FramingError) -> ResponseHead? {
        guard count < limits.headBytes else { throw .headTooLarge }
        return nil
    }

    private func bodyFraming(_ code: Int, _ minor: UInt8, _ toHead: Bool) throws(FramingError) -> BodyFraming {
        if section.chunked {
            guard section.contentLength == nil else { throw .lengthAndTransferCoding }
            guard minor > 0 else { throw .transferCodingBeforeHTTP11 }
        }
        if toHead || code < 200 || code == 204 || code == 304 { return .none }
        if section.chunked { return .chunked }
        return section.contentLength.map { .length($0) } ?? .untilClose
    }

    private static func statusLine(
        _ bytes: UnsafeRawPointer, _ position: inout Int, _ end: Int
    ) throws(FramingError) -> (code: Int, minor: UInt8)? {
        func byte(_ index: Int) -> UInt8 { bytes.load(fromByteOffset: index, as: UInt8.self) }
        let minor: UInt8
        do {
            guard let read = try RequestLine.version(bytes, position, end) else { return nil }
            minor = read
        } catch {
            throw error == .unsupportedVersion ? error : .malformedStatusLine
        }
        let digits = position + 9
        guard digits + 3 < end else { return nil }
        guard byte(digits - 1) == 0x20 else { throw .malformedStatusLine }
        var code = 0
        for index in digits..<(digits + 3) {
            guard ByteClass.isDigit(byte(index)) else { throw .malformedStatusLine }
            code = code * 10 + Int(byte(index) - 0x30)
        }
        guard code >= 100, byte(digits + 3) == 0x20 || byte(digits + 3) == 0x0D else { throw .malformedStatusLine }
        guard let lineEnd = try FieldSection.endOfLine(bytes, digits + 3, end) else { return nil }
        position = lineEnd + 2
        return (code, minor)
    }
}
