package import EventLoop

/// A range of network addresses, `10.0.0.0/8` or `fd00::/8`; an address alone is a range of one.
package struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64
    /// Leading bits of the 128 that must agree; IPv4 addresses lie in `::ffff:0:0/96`.
    private let bits: Int
    package let description: String

    /// nil when the text is no address, or its length is out of range.
    package init?(text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = Self.address(parts[0]), let (high, low) = Self.number(address) else { return nil }
        let width = if case .ip4 = address { 32 } else { 128 }
        var length = width
        if parts.count > 1 {
            guard let given = Int(parts[1]), (0...width).contains(given) else { return nil }
            length = given
        }
        (self.high, self.low) = (high, low)
        bits = 128 - width + length
        description = text
    }

    package func contains(_ address: SocketAddress) -> Bool {
        guard let (otherHigh, otherLow) = Self.number(address) else { return false }
        let highMask: UInt64 = bits >= 64 ? .max : bits == 0 ? 0 : .max << UInt64(64 - bits)
        let lowMask: UInt64 = bits <= 64 ? 0 : .max << UInt64(128 - bits)
        return (high ^ otherHigh) & highMask == 0 && (low ^ otherLow) & lowMask == 0
    }

    /// Reads an address with neither port nor brackets.
    static func address(_ text: Substring) -> SocketAddress? {
        SocketAddress(text: text.contains(":") ? "[\(text)]:0" : "\(text):0")
    }

    /// The address as 128 bits, nil for a path.
    static func number(_ address: SocketAddress) -> (UInt64, UInt64)? {
        switch address {
        case .ip4(let number, _): (0, 0xFFFF_0000_0000 | UInt64(number))
        case .ip6(let high, let low, _): (high, low)
        case .unix: nil
        }
    }
}
