import COpenSSL
import EventLoop
package import SidekickModel
import Synchronization

/// The keys that session tickets are sealed with. Whoever gets one can read what was resumed with its tickets under TLS 1.2, so that none is
/// used for long: each seals for `lifetime`, opens for as long again, and is then forgotten. They never leave the process.
package struct TicketKeys {
    package struct Key: Hashable, Sendable {
        /// Sixteen bytes in front of each ticket.
        package let name: [UInt8]
        let cipher: [UInt8]
        let code: [UInt8]
    }

    package static let lifetime = Milliseconds.seconds(12 * 3600)

    private var current: Key
    private var made: Instant
    private var previous: Key?
    private let random: (Int) -> [UInt8]

    package init(now: Instant, random: @escaping (Int) -> [UInt8]) {
        self.random = random
        current = Self.make(random)
        made = now
    }

    private static func make(_ random: (Int) -> [UInt8]) -> Key { Key(name: random(16), cipher: random(32), code: random(32)) }

    private mutating func rotate(_ now: Instant) {
        guard now >= made + Self.lifetime else { return }
        // After twice the time even the current one is too old to open anything.
        previous = now >= made + Self.lifetime + Self.lifetime ? nil : current
        current = Self.make(random)
        made = now
    }

    /// What seals now.
    package mutating func sealing(now: Instant) -> Key {
        rotate(now)
        return current
    }

    /// What opens a ticket of that name, and whether the client should get a new ticket; nil when it is gone.
    package mutating func opening(_ name: [UInt8], now: Instant) -> (key: Key, isOld: Bool)? {
        rotate(now)
        if name == current.name { return (current, false) }
        guard let previous, name == previous.name else { return nil }
        return (previous, true)
    }
}

/// The keys as a server's connections share them.
final class SharedTicketKeys: Sendable {
    private let keys = Mutex(TicketKeys(now: EventLoop.monotonicNow(), random: SharedTicketKeys.random))

    private static func random(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // OpenSSL's generator does not fail once it is seeded; where it did, no ticket could be opened by anyone.
        if RAND_priv_bytes(&bytes, Int32(count)) != 1 { ERR_clear_error() }
        return bytes
    }

    func sealing() -> TicketKeys.Key { keys.withLock { $0.sealing(now: EventLoop.monotonicNow()) } }
    func opening(_ name: [UInt8]) -> (key: TicketKeys.Key, isOld: Bool)? {
        keys.withLock { $0.opening(name, now: EventLoop.monotonicNow()) }
    }
}

/// OpenSSL's callback for tickets: 0 none (a full handshake follows), 1 use it, 2 use it and give the client a new one, -1 an error.
func useTicketKey(
    _ ssl: OpaquePointer?, _ name: UnsafeMutablePointer<UInt8>?, _ vector: UnsafeMutablePointer<UInt8>?, _ cipher: OpaquePointer?,
    _ code: OpaquePointer?, _ seals: Int32
) -> Int32 {
    guard let ssl, let name, let vector, let data = SSL_get_ex_data(ssl, 0) else { return -1 }
    let keys = Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue().server.ticketKeys
    if seals == 1 {
        let key = keys.sealing()
        for (index, byte) in key.name.enumerated() { name[index] = byte }
        guard RAND_bytes(vector, 16) == 1, EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, vector) == 1,
            sk_tls_set_code_key(code, key.code, key.code.count) == 1
        else { return -1 }
        return 1
    }
    guard let (key, isOld) = keys.opening(Array(UnsafeBufferPointer(start: name, count: 16))) else { return 0 }
    guard EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, vector) == 1,
        sk_tls_set_code_key(code, key.code, key.code.count) == 1
    else { return -1 }
    return isOld ? 2 : 1
}
