/// A span of time in whole milliseconds, written in specs as `100ms`, `30s`, `5m`, `1h` or a sum such as `1m30s`.
package struct Milliseconds: Hashable, Comparable, Sendable {
    package var count: Int64

    package init(_ count: Int64) { self.count = count }
    package static func seconds(_ seconds: Int64) -> Milliseconds { Milliseconds(seconds * 1000) }
    package static func < (a: Milliseconds, b: Milliseconds) -> Bool { a.count < b.count }

    /// The same span in nanoseconds.
    package var nanoseconds: Int64 { count * 1_000_000 }

    /// Reads `1h2m3s4ms`, each part optional but at least one present, in falling order; nil for anything else.
    package init?(text: String) {
        let units: [(name: String, factor: Int64)] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
        var total: Int64 = 0
        var next = 0
        var rest = Substring(text)
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let value = Int64(digits), digits.count <= 12 else { return nil }
            rest = rest.dropFirst(digits.count)
            let name = rest.prefix { $0.isLetter }
            guard let unit = units[next...].firstIndex(where: { $0.name == name }) else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: units[unit].factor)
            let (sum, overflow2) = total.addingReportingOverflow(product)
            guard !overflow, !overflow2 else { return nil }
            total = sum
            next = unit + 1
            rest = rest.dropFirst(name.count)
        }
        self.count = total
    }
}

extension Milliseconds: CustomStringConvertible {
    package var description: String {
        if count == 0 { return "0s" }
        var rest = count
        var text = ""
        for (name, factor) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] as [(String, Int64)]
        where rest >= factor {
            text += "\(rest / factor)\(name)"
            rest %= factor
        }
        return text
    }
}

extension Milliseconds: Codable {
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let value = Milliseconds(text: text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "‘\(text)’ is not a duration such as 100ms, 30s or 5m"))
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
