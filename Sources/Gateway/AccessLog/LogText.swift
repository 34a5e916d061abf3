/// Text of log lines, written without an allocation per piece.
struct LogText {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    var count: Int { bytes.count }

    /// Empties it, keeping its room.
    mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    mutating func append(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(_ text: some Collection<UInt8>) { bytes.append(contentsOf: text) }

    mutating func append(_ number: Int) {
        if number < 0 { bytes.append(0x2D) }
        appendDigits(UInt64(number.magnitude), atLeast: 1)
    }

    /// Decimal digits with leading zeros up to `width`.
    mutating func appendDigits(_ number: UInt64, atLeast width: Int) {
        var digits: InlineArray<20, UInt8> = .init(repeating: 0x30)
        var start = 20
        var rest = number
        while rest > 0 {
            start -= 1
            digits[start] = 0x30 + UInt8(rest % 10)
            rest /= 10
        }
        start = min(start, 20 - width)
        for index in start..<20 { bytes.append(digits[index]) }
    }

    /// Milliseconds with three decimals.
    mutating func appendMilliseconds(_ nanoseconds: Int64) {
        let microseconds = UInt64(max(0, nanoseconds)) / 1000
        appendDigits(microseconds / 1000, atLeast: 1)
        bytes.append(0x2E)
        appendDigits(microseconds % 1000, atLeast: 3)
    }

    /// What stands between the quotes of a JSON string. Bytes that are no UTF-8 are taken for Latin-1, so that every line can be read.
    mutating func appendJSON(_ text: UnsafeRawBufferPointer) {
        var isASCII = true
        for byte in text where byte >= 0x80 { isASCII = false }
        let keepsHigh = !isASCII && String(validating: text, as: UTF8.self) != nil
        var run = 0
        for (index, byte) in text.enumerated() {
            if byte >= 0x20, byte != 0x22, byte != 0x5C, byte < 0x7F || (keepsHigh && byte >= 0x80) { continue }
            bytes.append(contentsOf: text[run..<index])
            run = index + 1
            if byte == 0x22 || byte == 0x5C {
                bytes.append(0x5C)
                bytes.append(byte)
            } else {
                append("\\u00")
                appendHexadecimal(byte)
            }
        }
        bytes.append(contentsOf: text[run...])
    }

    /// What stands between the quotes of the combined format: what is not plain ASCII is written `\xHH`, as Apache does.
    mutating func appendCombined(_ text: UnsafeRawBufferPointer) {
        var run = 0
        for (index, byte) in text.enumerated() {
            if byte >= 0x20, byte < 0x7F, byte != 0x22, byte != 0x5C { continue }
            bytes.append(contentsOf: text[run..<index])
            run = index + 1
            if byte == 0x22 || byte == 0x5C {
                bytes.append(0x5C)
                bytes.append(byte)
            } else {
                append("\\x")
                appendHexadecimal(byte)
            }
        }
        bytes.append(contentsOf: text[run...])
    }

    private mutating func appendHexadecimal(_ byte: UInt8) {
        for digit in [byte >> 4, byte & 15] { bytes.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
    }
}
