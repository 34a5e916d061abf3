/// The first line of a request.
struct RequestLine: Hashable, Sendable {
    var method: Method
    var methodName: ByteRange
    var target: ByteRange
    var path: ByteRange
    var authority: ByteRange
    var isAbsolute: Bool
    var minorVersion: UInt8

    /// Reads the line at `position` and moves behind it; nil when it is not whole yet. Empty lines before it are passed over, as
    /// RFC 9112 section 2.2 asks.
    static func read(
        _ bytes: UnsafeRawPointer, _ position: inout Int, _ end: Int, _ limits: FramingLimits
    ) throws(FramingError) -> RequestLine? {
        func byte(_ index: Int) -> UInt8 { bytes.load(fromByteOffset: index, as: UInt8.self) }
        while position < end, byte(position) == 0x0D {
            guard position + 1 < end else { return nil }
            guard byte(position + 1) == 0x0A else { throw .bareCarriageReturn }
            position += 2
        }
        let start = position
        var index = start
        while index < end, ByteClass.isToken(byte(index)) { index &+= 1 }
        guard index < end else { return nil }
        guard byte(index) == 0x20, index > start else {
            throw index == start && byte(index) == 0x0A ? .bareLineFeed : .malformedRequestLine
        }
        let methodName = ByteRange(start, index)
        let target = index + 1
        index = target
        while index < end, ByteClass.isTarget(byte(index)) { index &+= 1 }
        guard index - target <= limits.targetBytes else { throw .targetTooLong }
        guard index < end else { return nil }
        guard byte(index) == 0x20 else {
            throw byte(index) == 0x0D || byte(index) == 0x0A ? .malformedRequestLine : .invalidTarget
        }
        guard index > target else { throw .malformedRequestLine }
        guard let minor = try version(bytes, index + 1, end) else { return nil }
        let after = index + 9
        guard after + 1 < end else {
            guard after >= end || byte(after) == 0x0D else { throw byte(after) == 0x0A ? .bareLineFeed : .malformedRequestLine }
            return nil
        }
        guard byte(after) == 0x0D else { throw byte(after) == 0x0A ? .bareLineFeed : .malformedRequestLine }
        guard byte(after + 1) == 0x0A else { throw .bareCarriageReturn }
        position = after + 2
        let method = Method(methodName.of(UnsafeRawBufferPointer(start: bytes, count: end)))
        if ByteClass.equal(bytes, start, Int(methodName.end), "connect"), method == .other { throw .unsupportedMethod }
        var line = RequestLine(
            method: method, methodName: methodName, target: ByteRange(target, index), path: ByteRange(target, index),
            authority: ByteRange(0, 0), isAbsolute: false, minorVersion: minor)
        try line.splitTarget(bytes)
        return line
    }

    /// Reads `HTTP/1.0` or `HTTP/1.1`; nil when it is not whole yet.
    static func version(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) throws(FramingError) -> UInt8? {
        if start + 8 <= end {
            switch UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)) {
            case 0x312E_312F_5054_5448: return 1
            case 0x302E_312F_5054_5448: return 0
            default: break
            }
        }
        // Not one of the two, or not whole: what is wrong with it is found byte by byte.
        let name: StaticString = "HTTP/"
        for offset in 0..<8 {
            guard start + offset < end else { return nil }
            let byte = bytes.load(fromByteOffset: start + offset, as: UInt8.self)
            let fits =
                switch offset {
                case 0..<5: byte == name.utf8Start[offset]
                case 6: byte == 0x2E
                default: ByteClass.isDigit(byte)
                }
            guard fits else { throw .malformedRequestLine }
        }
        let major = bytes.load(fromByteOffset: start + 5, as: UInt8.self)
        let minor = bytes.load(fromByteOffset: start + 7, as: UInt8.self)
        guard major == 0x31, minor <= 0x31 else { throw .unsupportedVersion }
        return minor - 0x30
    }

    private mutating func splitTarget(_ bytes: UnsafeRawPointer) throws(FramingError) {
        let start = Int(target.start)
        let end = Int(target.end)
        let first = bytes.load(fromByteOffset: start, as: UInt8.self)
        if first == 0x2F { return }
        if first == 0x2A {
            guard end - start == 1, method == .options else { throw .invalidTarget }
            return
        }
        let scheme: Int
        if end - start >= 7, ByteClass.equal(bytes, start, start + 7, "http://") {
            scheme = 7
        } else if end - start >= 8, ByteClass.equal(bytes, start, start + 8, "https://") {
            scheme = 8
        } else {
            throw .invalidTarget
        }
        var slash = start + scheme
        while slash < end {
            let byte = bytes.load(fromByteOffset: slash, as: UInt8.self)
            if byte == 0x2F || byte == 0x3F { break }
            slash += 1
        }
        guard slash > start + scheme else { throw .invalidTarget }
        try Self.checkAuthority(bytes, start + scheme, slash)
        isAbsolute = true
        authority = ByteRange(start + scheme, slash)
        path = ByteRange(slash, end)
    }

    /// Checks `name`, `name:port`, `[address]` or `[address]:port`. An empty Host is allowed, as RFC 9110 section 7.2 has it.
    static func checkAuthority(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) throws(FramingError) {
        func byte(_ index: Int) -> UInt8 { bytes.load(fromByteOffset: index, as: UInt8.self) }
        var index = start
        if index < end, byte(index) == 0x5B {
            index += 1
            while index < end, ByteClass.hexadecimal(byte(index)) < 16 || byte(index) == 0x3A || byte(index) == 0x2E {
                index += 1
            }
            guard index < end, byte(index) == 0x5D, index > start + 1 else { throw .invalidHost }
            index += 1
        } else {
            while index < end, ByteClass.isHost(byte(index)) { index += 1 }
        }
        guard index < end else { return }
        guard byte(index) == 0x3A, index > start, end - index <= 6 else { throw .invalidHost }
        for digit in (index + 1)..<end where !ByteClass.isDigit(byte(digit)) { throw .invalidHost }
    }
}
