/// The rules for field lines of HTTP/2 (RFC 9113 section 8.2), stricter than the RFC where HTTP/1.1 readers would differ.
enum StreamFields {
    /// What a field's name means to the translation.
    enum Kind { case plain, pseudo, host, cookie, contentLength, te }

    /// Checks name and value of one line and tells what it is. A field that speaks of the connection is refused.
    static func check(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(StreamError) -> Kind {
        guard let first = name.first, let base = name.baseAddress else { throw .invalidName }
        try checkValue(value)
        if first == 0x3A { return .pseudo }
        for byte in name {
            if byte &- 0x41 < 26 { throw .upperCaseName }
            guard ByteClass.isToken(byte) else { throw .invalidName }
        }
        func named(_ text: StaticString) -> Bool { ByteClass.equal(base, 0, name.count, text) }
        switch name.count {
        case 2 where named("te"):
            guard let base = value.baseAddress, ByteClass.equal(base, 0, value.count, "trailers") else { throw .connectionField }
            return .te
        case 4 where named("host"): return .host
        case 6 where named("cookie"): return .cookie
        case 7 where named("upgrade"): throw .connectionField
        case 10 where named("connection") || named("keep-alive"): throw .connectionField
        case 14 where named("content-length"): return .contentLength
        case 16 where named("proxy-connection"): throw .connectionField
        case 17 where named("transfer-encoding"): throw .connectionField
        default: return .plain
        }
    }

    static func checkValue(_ value: UnsafeRawBufferPointer) throws(StreamError) {
        guard let base = value.baseAddress, let first = value.first, let last = value.last else { return }
        guard first != 0x20, first != 0x09, last != 0x20, last != 0x09 else { throw .invalidValue }
        var index = 0
        while true {
            index = ByteClass.firstControl(base, index, value.count)
            guard index < value.count else { return }
            guard value[index] == 0x09 else { throw .invalidValue }
            index += 1
        }
    }

    /// A content-length, with no sign, blank or list: at most 18 digits, so that it never overflows.
    static func length(_ value: UnsafeRawBufferPointer) throws(StreamError) -> UInt64 {
        guard !value.isEmpty, value.count <= 18 else { throw .invalidLength }
        var length: UInt64 = 0
        for byte in value {
            guard ByteClass.isDigit(byte) else { throw .invalidLength }
            length = length &* 10 &+ UInt64(byte &- 0x30)
        }
        return length
    }

    static func line(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, into out: inout ByteQueue) {
        out.append(name)
        out.append(": ")
        out.append(value)
        out.append("\r\n")
    }
}
