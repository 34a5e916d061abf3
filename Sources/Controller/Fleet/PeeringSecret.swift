import Crypto

/// What gateways of one fleet know one another by.
enum PeeringSecret {
    /// Derived from the fleet's join secret (HMAC-SHA256), so that it outlives the controller without being kept, and gives away nothing
    /// that lets a host join. 64 hexadecimal digits.
    static func derive(from joinSecret: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(
            for: Array("sidekick gateway peering 1".utf8), using: SymmetricKey(data: Array(joinSecret.utf8)))
        return code.map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
    }
}
