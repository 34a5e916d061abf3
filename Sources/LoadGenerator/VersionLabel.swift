/// Finds the value of `"version"` in the first bytes of an answer's body.
struct VersionLabel {
    private static let key = Array("\"version\":".utf8)
    /// Bodies that name their version further in than this are counted without one.
    private static let limit = 512
    private var bytes: [UInt8] = []

    mutating func reset() { bytes.removeAll(keepingCapacity: true) }

    mutating func append(_ body: UnsafeRawBufferPointer.SubSequence) {
        bytes.append(contentsOf: body.prefix(max(0, Self.limit - bytes.count)))
    }

    /// Spaces are allowed around the value, which is a string without escapes or a number.
    var value: String? {
        guard var index = keyEnd else { return nil }
        while index < bytes.count, bytes[index] == 0x20 { index += 1 }
        let quoted = index < bytes.count && bytes[index] == 0x22
        if quoted { index += 1 }
        let start = index
        while index < bytes.count, quoted ? bytes[index] != 0x22 : Self.isBare(bytes[index]) { index += 1 }
        guard index < bytes.count, index > start, index - start <= 64 else { return nil }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private var keyEnd: Int? {
        let count = Self.key.count
        guard bytes.count > count else { return nil }
        return (0..<bytes.count - count).first { bytes[$0..<$0 + count].elementsEqual(Self.key) }.map { $0 + count }
    }

    private static func isBare(_ byte: UInt8) -> Bool { byte != 0x2C && byte != 0x7D && byte != 0x20 && byte != 0x0A }
}
