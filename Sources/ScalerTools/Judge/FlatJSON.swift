/// The numbers and texts of one JSON object, whatever it nests; later keys win. Enough for the judge's lines, whose keys are
/// unique; not a validator.
struct FlatJSON {
    private let bytes: [UInt8]
    private var numbers: [String: Double] = [:]
    private var texts: [String: String] = [:]

    init(_ line: some StringProtocol) {
        bytes = Array(line.utf8)
        var index = 0
        var key: String?
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") {
                let text = string(from: &index)
                if let name = key {
                    texts[name] = text
                    key = nil
                } else {
                    key = text
                }
            } else if byte == UInt8(ascii: "-") || (byte >= 48 && byte <= 57) {
                let value = number(from: &index)
                if let name = key { numbers[name] = value }
                key = nil
            } else {
                if byte == UInt8(ascii: "{") || byte == UInt8(ascii: ",") { key = nil }
                index += 1
            }
        }
    }

    func number(_ key: String) -> Double? { numbers[key] }
    func whole(_ key: String) -> Int? { numbers[key].flatMap { Int(exactly: $0.rounded()) } }
    func text(_ key: String) -> String? { texts[key] }

    private func string(from index: inout Int) -> String {
        index += 1
        let start = index
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        let end = min(index, bytes.count)
        index += 1
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    private func number(from index: inout Int) -> Double? {
        let start = index
        while index < bytes.count, "+-.eE0123456789".utf8.contains(bytes[index]) { index += 1 }
        return Double(String(decoding: bytes[start..<index], as: UTF8.self))
    }
}
