/// A number of bytes, written in specs as `256MiB`, `1GiB`, `500KB` or a plain number.
package struct ByteCount: Hashable, Comparable, Sendable {
    package var bytes: Int64

    package init(_ bytes: Int64) { self.bytes = bytes }
    package static func mebibytes(_ count: Int64) -> ByteCount { ByteCount(count << 20) }
    package static func < (a: ByteCount, b: ByteCount) -> Bool { a.bytes < b.bytes }

    private static let units: [(name: String, factor: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1),
    ]

    /// Reads a whole number with one of the units above, or none; nil for anything else.
    package init?(text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int64(digits) else { return nil }
        let name = text.dropFirst(digits.count)
        guard let unit = name.isEmpty ? ("", 1) : Self.units.first(where: { $0.name == name }) else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: unit.factor)
        guard !overflow else { return nil }
        bytes = product
    }
}

extension ByteCount: CustomStringConvertible {
    package var description: String {
        for (name, factor) in Self.units where bytes >= factor && bytes % factor == 0 { return "\(bytes / factor)\(name)" }
        return "\(bytes)B"
    }
}

extension ByteCount: Codable {
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let value = ByteCount(text: text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "‘\(text)’ is not a size such as 256MiB or 1GiB"))
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
