/// The field lines of one head and what they say about the message, gathered line by line.
package struct FieldSection: Sendable {
    package private(set) var fields: [Field] = []
    private(set) var host = -1
    private(set) var contentLength: UInt64?
    private(set) var chunked = false
    private(set) var close = false
    private(set) var keepAlive = false
    private(set) var upgradeOption = false
    private(set) var upgradeField = false
    private var upgradeIsHTTP2 = false
    private(set) var expectsContinue = false
    /// Names that `Connection` lists beyond the ones known here.
    private var named: [ByteRange] = []

    mutating func reset() {
        if !fields.isEmpty { fields.removeAll(keepingCapacity: true) }
        if !named.isEmpty { named.removeAll(keepingCapacity: true) }
        host = -1
        contentLength = nil
        chunked = false
        close = false
        keepAlive = false
        upgradeOption = false
        upgradeField = false
        upgradeIsHTTP2 = false
        expectsContinue = false
    }

    /// What the next line was.
    enum Line { case incomplete, field, end }

    /// Reads the line at `position` and moves behind it.
    @inline(__always)
    mutating func line(
        _ bytes: UnsafeRawPointer, _ position: inout Int, _ end: Int, _ limits: FramingLimits
    ) throws(FramingError) -> Line {
        var index = position
        while index < end, ByteClass.isToken(bytes.load(fromByteOffset: index, as: UInt8.self)) { index &+= 1 }
        guard index < end else { return .incomplete }
        let stop = bytes.load(fromByteOffset: index, as: UInt8.self)
        guard stop == 0x3A, index > position else {
            guard index == position else { throw .invalidFieldName }
            switch stop {
            case 0x0D:
                guard index + 1 < end else { return .incomplete }
                guard bytes.load(fromByteOffset: index + 1, as: UInt8.self) == 0x0A else { throw .bareCarriageReturn }
                position = index + 2
                return .end
            case 0x0A: throw .bareLineFeed
            case 0x20, 0x09: throw .foldedField
            default: throw .invalidFieldName
            }
        }
        let nameEnd = index
        index &+= 1
        while index < end, Self.isBlank(bytes.load(fromByteOffset: index, as: UInt8.self)) { index &+= 1 }
        let valueStart = index
        guard let lineEnd = try Self.endOfLine(bytes, index, end) else { return .incomplete }
        var valueEnd = lineEnd
        while valueEnd > valueStart, Self.isBlank(bytes.load(fromByteOffset: valueEnd - 1, as: UInt8.self)) { valueEnd &-= 1 }
        guard fields.count < limits.fields else { throw .tooManyFields }
        let role = Field.role(bytes, position, nameEnd)
        fields.append(
            Field(
                name: ByteRange(position, nameEnd), value: ByteRange(valueStart, valueEnd), role: role,
                lineEnd: Int32(truncatingIfNeeded: lineEnd + 2)))
        if role != .plain { try note(role, bytes, valueStart, valueEnd) }
        position = lineEnd + 2
        return .field
    }

    @inline(__always) private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// Where the CR LF of the line is that `index` lies in; nil when it is not there yet.
    @inline(__always)
    static func endOfLine(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) throws(FramingError) -> Int? {
        var index = start
        while true {
            index = ByteClass.firstControl(bytes, index, end)
            guard index < end else { return nil }
            switch bytes.load(fromByteOffset: index, as: UInt8.self) {
            case 0x09: index &+= 1
            case 0x0D:
                guard index + 1 < end else { return nil }
                guard bytes.load(fromByteOffset: index + 1, as: UInt8.self) == 0x0A else { throw .bareCarriageReturn }
                return index
            case 0x0A: throw .bareLineFeed
            default: throw .invalidFieldValue
            }
        }
    }

    private mutating func note(_ role: Field.Role, _ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) throws(FramingError) {
        switch role {
        case .host:
            guard host < 0 else { throw .duplicateHost }
            host = fields.count - 1
        case .contentLength:
            guard contentLength == nil else { throw .duplicateContentLength }
            guard !Self.hasTabAround(bytes, start, end) else { throw .invalidContentLength }
            contentLength = try Self.decimal(bytes, start, end)
        case .transferEncoding:
            guard !chunked else { throw .invalidTransferCoding }
            guard !Self.hasTabAround(bytes, start, end) else { throw .invalidTransferCoding }
            try Self.checkTransferCoding(bytes, start, end)
            chunked = true
        case .connection: try noteConnection(bytes, start, end)
        case .upgrade: noteUpgrade(bytes, start, end)
        case .expect:
            guard ByteClass.equal(bytes, start, end, "100-continue") else { throw .unsupportedExpectation }
            expectsContinue = true
        default: break
        }
    }

    /// Whether there is a tab between the colon and the value, or between it and the end of the line. Allowed elsewhere, but some
    /// readers (llhttp) take it for a part of the value, and these fields say where the message ends.
    private static func hasTabAround(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
        var index = start - 1
        while bytes.load(fromByteOffset: index, as: UInt8.self) != 0x3A {
            if bytes.load(fromByteOffset: index, as: UInt8.self) == 0x09 { return true }
            index -= 1
        }
        index = end
        while bytes.load(fromByteOffset: index, as: UInt8.self) != 0x0D {
            if bytes.load(fromByteOffset: index, as: UInt8.self) == 0x09 { return true }
            index += 1
        }
        return false
    }

    private static func decimal(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) throws(FramingError) -> UInt64 {
        // Nineteen digits never overflow; nobody has a longer body.
        guard end > start, end - start <= 18 else { throw .invalidContentLength }
        var value: UInt64 = 0
        for index in start..<end {
            let byte = bytes.load(fromByteOffset: index, as: UInt8.self)
            guard ByteClass.isDigit(byte) else { throw .invalidContentLength }
            value = value &* 10 &+ UInt64(byte &- 0x30)
        }
        return value
    }

    private static func checkTransferCoding(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) throws(FramingError) {
        if ByteClass.equal(bytes, start, end, "chunked") { return }
        // Anything else is refused; what is left is to say how.
        var codings: [Bool] = []
        try tokens(bytes, start, end, orThrow: .invalidTransferCoding) { first, last in
            codings.append(ByteClass.equal(bytes, first, last, "chunked"))
        }
        let known = codings.count(where: { $0 })
        guard !codings.isEmpty, known == 0 || (known == 1 && codings.last == true && codings.count > 1) else {
            throw .invalidTransferCoding
        }
        throw .unsupportedTransferCoding
    }

    /// An upgrade to HTTP/2 is passed over, as one may be: behind it, requests would go past whoever forwarded it, unseen.
    private mutating func noteUpgrade(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) {
        guard start < end, !upgradeIsHTTP2 else { return }
        var index = start
        while index + 3 <= end {
            if ByteClass.equal(bytes, index, index + 3, "h2c") { upgradeIsHTTP2 = true }
            index += 1
        }
        upgradeField = !upgradeIsHTTP2
    }

    private mutating func noteConnection(_ bytes: UnsafeRawPointer, _ start: Int, _ end: Int) throws(FramingError) {
        if ByteClass.equal(bytes, start, end, "keep-alive") {
            keepAlive = true
            return
        }
        var options = self
        try Self.tokens(bytes, start, end, orThrow: .invalidConnectionOption) { first, last in
            if ByteClass.equal(bytes, first, last, "close") {
                options.close = true
            } else if ByteClass.equal(bytes, first, last, "keep-alive") {
                options.keepAlive = true
            } else if ByteClass.equal(bytes, first, last, "upgrade") {
                options.upgradeOption = true
            } else {
                options.named.append(ByteRange(first, last))
            }
        }
        self = options
    }

    /// Calls `body` for each token of a comma-separated list; empty elements are passed over, as RFC 9110 5.6.1 has it.
    private static func tokens(
        _ bytes: UnsafeRawPointer, _ start: Int, _ end: Int, orThrow error: FramingError, _ body: (Int, Int) -> Void
    ) throws(FramingError) {
        var index = start
        while index < end {
            let first = index
            while index < end, ByteClass.isToken(bytes.load(fromByteOffset: index, as: UInt8.self)) { index += 1 }
            if index > first { body(first, index) }
            while index < end, isBlank(bytes.load(fromByteOffset: index, as: UInt8.self)) { index += 1 }
            guard index == end || bytes.load(fromByteOffset: index, as: UInt8.self) == 0x2C else { throw error }
            index += 1
            while index < end, isBlank(bytes.load(fromByteOffset: index, as: UInt8.self)) { index += 1 }
        }
    }

    /// Marks the fields that `Connection` names. Those that frame or route the message keep their role: naming them there must
    /// not make a proxy drop them.
    mutating func markNamed(_ bytes: UnsafeRawPointer) {
        guard !named.isEmpty else { return }
        for index in fields.indices where fields[index].role == .plain || fields[index].role == .cookie {
            let name = fields[index].name
            let isNamed = named.contains { option in
                option.count == name.count
                    && (0..<name.count).allSatisfy {
                        let a = bytes.load(fromByteOffset: Int(option.start) + $0, as: UInt8.self)
                        let b = bytes.load(fromByteOffset: Int(name.start) + $0, as: UInt8.self)
                        return a == b || ((a ^ b) == 0x20 && (a | 0x20) &- 0x61 < 26)
                    }
            }
            if isNamed { fields[index].role = .hopByHop }
        }
    }
}
