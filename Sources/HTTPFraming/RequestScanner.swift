/// The methods a proxy treats differently.
package enum Method: UInt8, Hashable, Sendable {
    case get, head, post, put, delete, options, trace, patch, other

    /// Sending it twice does what sending it once does (RFC 9110 section 9.2.2).
    package var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .patch, .other: false
        }
    }

    init(_ bytes: UnsafeRawBufferPointer) {
        func named(_ name: StaticString) -> Bool {
            guard bytes.count == name.utf8CodeUnitCount else { return false }
            for index in 0..<bytes.count where bytes[index] != name.utf8Start[index] { return false }
            return true
        }
        switch bytes.count {
        case 3: self = named("GET") ? .get : named("PUT") ? .put : .other
        case 4: self = named("HEAD") ? .head : named("POST") ? .post : .other
        case 5: self = named("TRACE") ? .trace : named("PATCH") ? .patch : .other
        case 6: self = named("DELETE") ? .delete : .other
        case 7: self = named("OPTIONS") ? .options : .other
        default: self = .other
        }
    }
}

/// One whole request head; every range lies in the buffer that was scanned.
package struct RequestHead: Hashable, Sendable {
    package var method: Method
    package var methodName: ByteRange
    /// The target as sent.
    package var target: ByteRange
    /// Path and query to send on: the target itself, or what follows the authority of an absolute target (may be empty then,
    /// meaning `/`, or start with `?`).
    package var path: ByteRange
    /// Name and optional port the request is for: of the absolute target, else the Host field; empty when there is none.
    package var authority: ByteRange
    package var isAbsolute: Bool
    /// 0 or 1.
    package var minorVersion: UInt8
    package var body: BodyFraming
    /// The client wants the connection kept.
    package var keepAlive: Bool
    /// The client asks to switch protocols.
    package var upgrade: Bool
    package var expectsContinue: Bool
    /// The first byte of the request line (empty lines may come before it) and the first byte behind the head.
    package var bytes: ByteRange
}

/// Reads request heads out of a connection's bytes, incrementally and strictly (RFC 9112).
package struct RequestScanner: Sendable {
    private let limits: FramingLimits
    /// What is read so far of the fields. Its `fields` can be had of a scanner in a class without copying the scanner.
    package private(set) var section = FieldSection()
    private var position = 0
    private var line: RequestLine?

    package init(limits: FramingLimits = FramingLimits()) { self.limits = limits }

    /// The field lines of the head last returned.
    package var fields: [Field] { section.fields }

    /// Forgets what was read: call it before the first bytes of each further request.
    package mutating func reset() {
        section.reset()
        position = 0
        line = nil
    }

    /// Reads on. `bytes` starts where the first call's did and has everything since; nil means that the head is not whole yet.
    package mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(FramingError) -> RequestHead? {
        guard let base = bytes.baseAddress else { return nil }
        let end = min(bytes.count, limits.headBytes)
        if line == nil {
            guard let read = try RequestLine.read(base, &position, end, limits) else {
                return try unfinished(bytes.count, .targetTooLong)
            }
            line = read
        }
        while let line {
            switch try section.line(base, &position, end, limits) {
            case .field: continue
            case .incomplete: return try unfinished(bytes.count, .headTooLarge)
            case .end:
                section.markNamed(base)
                return try finish(line, base)
            }
        }
        return nil
    }

    private func unfinished(_ count: Int, _ error: FramingError) throws(FramingError) -> RequestHead? {
        guard count < limits.headBytes else { throw error }
        return nil
    }

    private func finish(_ line: RequestLine, _ base: UnsafeRawPointer) throws(FramingError) -> RequestHead {
        var authority = line.authority
        if section.host >= 0 {
            let host = section.fields[section.host].value
            try RequestLine.checkAuthority(base, Int(host.start), Int(host.end))
            if !line.isAbsolute { authority = host }
        } else if line.minorVersion > 0 {
            throw .missingHost
        }
        var body = BodyFraming.none
        if section.chunked {
            guard section.contentLength == nil else { throw .lengthAndTransferCoding }
            guard line.minorVersion > 0 else { throw .transferCodingBeforeHTTP11 }
            body = .chunked
        } else if let length = section.contentLength {
            body = .length(length)
        }
        let persistent = line.minorVersion > 0 || section.keepAlive
        return RequestHead(
            method: line.method, methodName: line.methodName, target: line.target, path: line.path, authority: authority,
            isAbsolute: line.isAbsolute, minorVersion: line.minorVersion, body: body, keepAlive: persistent && !section.close,
            upgrade: section.upgradeOption && section.upgradeField && line.minorVersion > 0,
            expectsContinue: section.expectsContinue && line.minorVersion > 0,
            bytes: ByteRange(Int(line.methodName.start), position))
    }
}
