import Glibc
import LinuxShims

/// Where a stream socket listens or connects to.
package enum SocketAddress: Hashable, Sendable {
    /// Address in host byte order.
    case ip4(UInt32, port: UInt16)
    /// The sixteen bytes of the address as two big-endian numbers.
    case ip6(UInt64, UInt64, port: UInt16)
    /// A path of at most 107 bytes.
    case unix(String)

    /// Reads `127.0.0.1:8080`, `[::1]:8080`, or a path starting with `/`; nil for anything else. No name is looked up.
    package init?(text: String) {
        if text.hasPrefix("/") {
            guard text.utf8.count <= 107, !text.utf8.contains(0) else { return nil }
            self = .unix(text)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            var raw = in6_addr()
            guard inet_pton(AF_INET6, String(host), &raw) == 1 else { return nil }
            let bytes = withUnsafeBytes(of: &raw) { [UInt8]($0) }
            self = .ip6(Self.number(bytes[0..<8]), Self.number(bytes[8..<16]), port: port)
        } else {
            var raw = in_addr()
            guard inet_pton(AF_INET, String(host), &raw) == 1 else { return nil }
            self = .ip4(UInt32(bigEndian: raw.s_addr), port: port)
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    package var port: UInt16? {
        switch self {
        case .ip4(_, let port), .ip6(_, _, let port): port
        case .unix: nil
        }
    }

    var family: Int32 {
        switch self {
        case .ip4: AF_INET
        case .ip6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// Runs `body` with the address as the system wants it.
    func withSystemAddress<Result>(_ body: (UnsafePointer<sockaddr_storage>, socklen_t) -> Result) -> Result {
        var storage = sockaddr_storage()
        let length = withUnsafeMutableBytes(of: &storage) { raw in
            switch self {
            case .ip4(let address, let port):
                let value = sockaddr_in(
                    sin_family: sa_family_t(AF_INET), sin_port: port.bigEndian, sin_addr: in_addr(s_addr: address.bigEndian),
                    sin_zero: (0, 0, 0, 0, 0, 0, 0, 0))
                raw.storeBytes(of: value, as: sockaddr_in.self)
                return MemoryLayout<sockaddr_in>.size
            case .ip6(let high, let low, let port):
                var value = sockaddr_in6()
                value.sin6_family = sa_family_t(AF_INET6)
                value.sin6_port = port.bigEndian
                withUnsafeMutableBytes(of: &value.sin6_addr) {
                    $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                    $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
                }
                raw.storeBytes(of: value, as: sockaddr_in6.self)
                return MemoryLayout<sockaddr_in6>.size
            case .unix(let path):
                raw.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                let offset = MemoryLayout<sa_family_t>.size
                for (index, byte) in path.utf8.prefix(107).enumerated() { raw[offset + index] = byte }
                return offset + min(path.utf8.count, 107) + 1
            }
        }
        return body(&storage, socklen_t(length))
    }

    /// Begins to connect a socket to the address: 0 when connected at once, else a negative errno.
    package func connect(_ descriptor: Int32) -> Int32 {
        withSystemAddress { sk_connect(descriptor, $0, $1) }
    }

    init?(system storage: sockaddr_storage) {
        switch Int32(storage.ss_family) {
        case AF_INET:
            let value = withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in.self) }
            self = .ip4(UInt32(bigEndian: value.sin_addr.s_addr), port: UInt16(bigEndian: value.sin_port))
        case AF_INET6:
            let value = withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in6.self) }
            let bytes = withUnsafeBytes(of: value.sin6_addr) { [UInt8]($0) }
            self = .ip6(
                Self.number(bytes[0..<8]), Self.number(bytes[8..<16]), port: UInt16(bigEndian: value.sin6_port))
        default: return nil
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .ip4(_, let port): "\(hostText):\(port)"
        case .ip6(_, _, let port): "[\(hostText)]:\(port)"
        case .unix(let path): path
        }
    }

    /// The bytes of `hostText`.
    package var hostBytes: [UInt8] {
        if case .ip4(let address, _) = self { return Self.text(address) }
        return Array(hostText.utf8)
    }

    /// Every connection's address is written once, and interpolation would take longer than all else about it.
    private static func text(_ address: UInt32) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 15) { buffer, count in
            func put(_ byte: UInt8) {
                buffer[count] = byte
                count += 1
            }
            for part in 0..<4 {
                let number = UInt8(truncatingIfNeeded: address >> UInt32(24 - 8 * part))
                if part > 0 { put(0x2E) }
                if number >= 100 { put(0x30 + number / 100) }
                if number >= 10 { put(0x30 + number / 10 % 10) }
                put(0x30 + number % 10)
            }
        }
    }

    /// The address alone, without port or brackets; a path for a Unix socket.
    package var hostText: String {
        switch self {
        case .ip4(let address, _): return String(decoding: Self.text(address), as: UTF8.self)
        case .ip6(let high, let low, _):
            var raw = in6_addr()
            withUnsafeMutableBytes(of: &raw) {
                $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
                guard let base = buffer.baseAddress, inet_ntop(AF_INET6, &raw, base, socklen_t(buffer.count)) != nil else {
                    return "::"
                }
                return String(cString: base)
            }
        case .unix(let path): return path
        }
    }
}
