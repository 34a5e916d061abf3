/// A share of processor time in thousandths of one core, written in specs as `500m` or a plain number of cores.
package struct MilliCPU: Hashable, Comparable, Sendable {
    package var count: Int64

    package init(_ count: Int64) { self.count = count }
    package static func < (a: MilliCPU, b: MilliCPU) -> Bool { a.count < b.count }

    /// Reads `500m` (thousandths) or `2` (whole cores); nil for anything else.
    package init?(text: String) {
        if text.hasSuffix("m"), let value = Int64(text.dropLast()), value >= 0 {
            count = value
        } else if let cores = Int64(text), cores >= 0, cores < 1_000_000 {
            count = cores * 1000
        } else {
            return nil
        }
    }
}

extension MilliCPU: CustomStringConvertible {
    package var description: String { count % 1000 == 0 ? "\(count / 1000)" : "\(count)m" }
}

extension MilliCPU: Codable {
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let value = MilliCPU(text: text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "‘\(text)’ is not a processor share such as 500m or 2"))
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
