/// An IPv4 address as a number in host byte order.
package struct IPv4Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var bits: UInt32

    package init(bits: UInt32) {
        self.bits = bits
    }

    /// Reads `10.88.0.1`: four decimal numbers without leading zeros.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt32 = 0
        for part in parts {
            guard let byte = UInt8(part), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), String(byte) == part else {
                return nil
            }
            bits = bits << 8 | UInt32(byte)
        }
        self.bits = bits
    }

    package var description: String { bytes.map { String($0) }.joined(separator: ".") }

    /// Most significant first.
    package var bytes: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bits >> $0) } }

    package static func < (a: IPv4Address, b: IPv4Address) -> Bool { a.bits < b.bits }
}

/// A bridge's subnet: network address, then the gateway, then what containers get, then the broadcast address.
package struct IPv4Subnet: Hashable, Sendable, CustomStringConvertible {
    package let network: IPv4Address
    package let prefixLength: Int

    /// Reads `10.88.0.0/16`; nil unless the prefix is 16 to 29 and the address has no bit beyond it.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(parts[0]), let length = Int(parts[1]), String(length) == parts[1],
            (16...29).contains(length), address.bits & (UInt32.max >> length) == 0
        else { return nil }
        network = address
        prefixLength = length
    }

    package var description: String { "\(network)/\(prefixLength)" }
    package var gateway: IPv4Address { self[1] }

    /// Numbers of the addresses that containers may get.
    package var hosts: ClosedRange<UInt32> { 2...(UInt32.max >> prefixLength) - 1 }

    /// The address with that number in the subnet.
    package subscript(number: UInt32) -> IPv4Address { IPv4Address(bits: network.bits | number) }

    /// The number of an address of the subnet, nil when it is none of them.
    package func number(of address: IPv4Address) -> UInt32? {
        let number = address.bits & (UInt32.max >> prefixLength)
        return self[number] == address ? number : nil
    }
}

/// An Ethernet address.
package struct EthernetAddress: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]

    /// Locally administered, one for each IPv4 address.
    package init(for address: IPv4Address) {
        bytes = [0x02, 0x53] + address.bytes
    }

    package var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
