import Crypto

/// A `sha256:<64 hexadecimal digits>` digest; the only algorithm the store takes, and what every blob and layer is named by.
struct Digest: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
    /// 64 lower-case hexadecimal digits.
    let hex: String

    /// Nil unless `text` has the form.
    init?(_ text: some StringProtocol) {
        guard text.hasPrefix("sha256:") else { return nil }
        self.init(hex: text.dropFirst(7))
    }

    init?(hex: some StringProtocol) {
        guard hex.utf8.count == 64, hex.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else { return nil }
        self.hex = String(hex)
    }

    init(_ hash: SHA256.Digest) {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(64)
        for byte in hash {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        hex = String(decoding: text, as: UTF8.self)
    }

    init(of bytes: [UInt8]) { self.init(SHA256.hash(data: bytes)) }

    init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let digest = Digest(text) else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "‘\(text)’ is no sha256 digest, and no other kind is supported"))
        }
        self = digest
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    var description: String { "sha256:" + hex }

    static func < (left: Digest, right: Digest) -> Bool { left.hex < right.hex }
}
