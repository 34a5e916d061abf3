/// Classes of bytes as RFC 9110 names them, tested without a table in memory.
enum ByteClass {
    // Bit n of the low number stands for byte n, of the high number for byte 64 + n. Literals, as a computed global would be
    // looked up behind a once-check for each byte; `ScannerTests` compares them with the characters they stand for.
    @inline(__always) private static var tokenLow: UInt64 { 0x03FF_6CFA_0000_0000 }
    @inline(__always) private static var tokenHigh: UInt64 { 0x57FF_FFFF_C7FF_FFFE }
    @inline(__always) private static var hostLow: UInt64 { 0x2BFF_6FF2_0000_0000 }
    @inline(__always) private static var hostHigh: UInt64 { 0x47FF_FFFE_87FF_FFFE }

    @inline(__always)
    private static func test(_ byte: UInt8, _ low: UInt64, _ high: UInt64) -> Bool {
        guard byte < 128 else { return false }
        return (byte < 64 ? low >> UInt64(byte) : high >> UInt64(byte - 64)) & 1 != 0
    }

    @inline(__always) static func isToken(_ byte: UInt8) -> Bool { test(byte, tokenLow, tokenHigh) }
    /// Bytes of a registered name or an IPv4 address; brackets and colons are the caller's.
    @inline(__always) static func isHost(_ byte: UInt8) -> Bool { test(byte, hostLow, hostHigh) }
    @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    @inline(__always) static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }
    /// A byte a request target may hold. More is let through than RFC 3986 has, as clients send `|` and `"` raw.
    @inline(__always) static func isTarget(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F && byte != 0x23 }

    /// The value of a hexadecimal digit, 255 for another byte.
    @inline(__always)
    static func hexadecimal(_ byte: UInt8) -> UInt8 {
        let digit = byte &- 0x30
        if digit < 10 { return digit }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : 255
    }

    /// The first index at or after `start` that holds a control character, or `end`; eight bytes at a time.
    @inline(__always)
    static func firstControl(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var index = start
        while index &+ 8 <= end {
            let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let small = (word &- ones &* 0x20) & ~word
            let delete = word ^ (ones &* 0x7F)
            let hit = (small | ((delete &- ones) & ~delete)) & highs
            // The lowest flagged byte is exact; only bytes above a true hit can be flagged wrongly.
            if hit != 0 { return index &+ hit.littleEndian.trailingZeroBitCount / 8 }
            index &+= 8
        }
        while index < end {
            if isControl(bytes.load(fromByteOffset: index, as: UInt8.self)) { return index }
            index &+= 1
        }
        return end
    }

    /// Whether `bytes[start..<end]` is `lowercased`, ignoring the case of letters. `lowercased` holds no `@[\]^_` and so on.
    @inline(__always)
    static func equal(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int, _ lowercased: StaticString) -> Bool {
        guard end &- start == lowercased.utf8CodeUnitCount else { return false }
        let wanted = lowercased.utf8Start
        for index in 0..<(end &- start) {
            let byte = bytes.load(fromByteOffset: start &+ index, as: UInt8.self)
            let lower = byte &- 0x41 < 26 ? byte | 0x20 : byte
            if lower != wanted[index] { return false }
        }
        return true
    }
}
