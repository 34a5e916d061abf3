import HTTPFraming

/// Writes the heads a gateway sends on: the bytes it got, without the fields meant for this hop, with those a proxy adds.
enum HeadWriter {
    /// What the gateway knows of a request beyond its head.
    struct Context {
        /// The client's address in text; empty when it has none.
        var client: [UInt8]
        var isSecure: Bool
        /// The client is a proxy whose forwarding fields are believed.
        var isTrusted: Bool
        /// Write `Forwarded` (RFC 7239) as well.
        var writesForwarded: Bool
        /// 32 hexadecimal digits for a request that has no id.
        var newID: (UInt64, UInt64)
    }

    /// The longest request id passed on.
    static let longestID = 128

    static func request(
        _ head: RequestHead, _ fields: [Field], _ bytes: UnsafeRawBufferPointer, _ context: borrowing Context,
        into out: inout ByteQueue
    ) {
        if head.isAbsolute {
            out.append(head.methodName.of(bytes))
            out.append(" ")
            if head.path.isEmpty || bytes[Int(head.path.start)] != 0x2F { out.append("/") }
            out.append(head.path.of(bytes))
            out.append(head.minorVersion == 0 ? " HTTP/1.0\r\nHost: " : " HTTP/1.1\r\nHost: ")
            out.append(head.authority.of(bytes))
            out.append("\r\n")
        }
        var hasID = false
        var hasProto = false
        var hasHost = false
        var hasClients = false
        // Runs of lines that stay are copied at once; the request line is the beginning of the first one.
        var run = head.isAbsolute ? firstLine(fields, head) : Int(head.bytes.start)
        for field in fields {
            let keeps: Bool
            switch field.role {
            case .plain, .contentLength, .transferEncoding, .expect, .cookie: continue
            case .host: keeps = !head.isAbsolute
            case .requestID:
                keeps = !hasID && isID(field.value.of(bytes))
                if keeps { hasID = true }
            case .forwardedFor:
                // Trusted ones are joined with ours, for readers that look at one line only.
                keeps = false
                hasClients = hasClients || context.isTrusted
            case .forwardedProto:
                keeps = context.isTrusted
                hasProto = hasProto || keeps
            case .forwardedHost:
                keeps = context.isTrusted
                hasHost = hasHost || keeps
            case .forwarded: keeps = context.isTrusted
            case .upgrade: keeps = head.upgrade
            case .connection, .hopByHop, .peer: keeps = false
            }
            if keeps { continue }
            copy(bytes, run, Int(field.line.start), &out)
            run = Int(field.line.end)
        }
        copy(bytes, run, Int(head.bytes.end) - 2, &out)
        if head.upgrade {
            out.append("Connection: Upgrade\r\n")
        } else if head.minorVersion == 0 {
            out.append("Connection: keep-alive\r\n")
        }
        appendClients(hasClients ? fields : [], bytes, context.client, &out)
        if !hasProto { out.append(context.isSecure ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n") }
        if !hasHost, !head.authority.isEmpty {
            out.append("X-Forwarded-Host: ")
            out.append(head.authority.of(bytes))
            out.append("\r\n")
        }
        if context.writesForwarded { appendForwarded(head, bytes, context, &out) }
        if !hasID {
            out.append("X-Request-Id: ")
            withHexadecimal(context.newID) { out.append($0) }
            out.append("\r\n")
        }
        out.append("\r\n")
    }

    /// Whether a request id may be passed on: visible ASCII that needs no quoting anywhere, and not too long.
    static func isID(_ value: UnsafeRawBufferPointer) -> Bool {
        guard !value.isEmpty, value.count <= longestID else { return false }
        for byte in value where byte <= 0x20 || byte >= 0x7F || byte == 0x22 || byte == 0x5C || byte == 0x2C { return false }
        return true
    }

    private static func appendClients(
        _ fields: [Field], _ bytes: UnsafeRawBufferPointer, _ client: [UInt8], _ out: inout ByteQueue
    ) {
        var isFirst = true
        func element(_ value: UnsafeRawBufferPointer) {
            guard !value.isEmpty else { return }
            out.append(isFirst ? "X-Forwarded-For: " : ", ")
            isFirst = false
            out.append(value)
        }
        for field in fields where field.role == .forwardedFor { element(field.value.of(bytes)) }
        client.withUnsafeBytes { element($0) }
        if !isFirst { out.append("\r\n") }
    }

    /// RFC 7239 section 4: an IPv6 address and a host are quoted. A host was checked to hold neither quotes nor backslashes.
    private static func appendForwarded(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ context: borrowing Context, _ out: inout ByteQueue
    ) {
        out.append("Forwarded: for=")
        if context.client.isEmpty {
            out.append("unknown")
        } else if context.client.contains(0x3A) {
            out.append("\"[")
            out.append(context.client)
            out.append("]\"")
        } else {
            out.append(context.client)
        }
        if !head.authority.isEmpty {
            out.append(";host=\"")
            out.append(head.authority.of(bytes))
            out.append("\"")
        }
        out.append(context.isSecure ? ";proto=https\r\n" : ";proto=http\r\n")
    }

    /// What the client is told of the connection.
    enum Connection { case asItIs, close, keepAlive }

    /// Whether the head may go on exactly as it came.
    static func passesUnchanged(_ fields: [Field], _ connection: Connection) -> Bool {
        connection == .asItIs && fields.allSatisfy { !isStripped($0) }
    }

    static func response(
        _ head: ResponseHead, _ fields: [Field], _ bytes: UnsafeRawBufferPointer, _ connection: Connection,
        into out: inout ByteQueue
    ) {
        var run = 0
        for field in fields where isStripped(field) {
            copy(bytes, run, Int(field.line.start), &out)
            run = Int(field.line.end)
        }
        copy(bytes, run, head.end - 2, &out)
        switch connection {
        case .asItIs: out.append("\r\n")
        case .close: out.append("Connection: close\r\n\r\n")
        case .keepAlive: out.append("Connection: keep-alive\r\n\r\n")
        }
    }

    private static func isStripped(_ field: Field) -> Bool {
        switch field.role {
        case .connection, .hopByHop, .upgrade, .peer: true
        default: false
        }
    }

    private static func firstLine(_ fields: [Field], _ head: RequestHead) -> Int {
        fields.first.map { Int($0.line.start) } ?? Int(head.bytes.end) - 2
    }

    @inline(__always)
    private static func copy(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int, _ out: inout ByteQueue) {
        if start < end { out.append(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) }
    }

    /// Calls `body` with the 32 digits of a request id.
    static func withHexadecimal<Result>(
        _ number: (UInt64, UInt64), _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        var text: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        return withUnsafeMutableBytes(of: &text) { digits in
            for index in 0..<32 {
                let half = index < 16 ? number.0 : number.1
                let digit = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (index & 15))) & 15
                digits[index] = digit < 10 ? 0x30 + digit : 0x57 + digit
            }
            return body(UnsafeRawBufferPointer(digits))
        }
    }
}
