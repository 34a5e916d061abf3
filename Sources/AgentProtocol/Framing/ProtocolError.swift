/// Why bytes from a peer are not a message. Everything but `unknownType` means the connection must be closed: after it the
/// two sides no longer agree on what was said, or on where the next frame begins.
package enum ProtocolError: Error, Hashable, Sendable {
    /// The first byte of a frame is not ours: the peer speaks something else (HTTP, TLS, SSH…).
    case notOurs(firstByte: UInt8)
    /// The peer uses another frame format.
    case version(UInt8)
    /// A frame announces more payload than this side takes.
    case tooLarge(bytes: Int, limit: Int)
    /// A message kind this version does not know, from a newer peer; it may be skipped.
    case unknownType(UInt16)
    /// A message that this sender has no business sending, such as an agent's `sync`.
    case unexpectedType(UInt16)
    /// A message of this type whose content cannot be read or is out of bounds.
    case malformed(type: UInt16, reason: String)

    /// Whether the receiver may ignore the frame and go on with the next one.
    package var isSkippable: Bool {
        if case .unknownType = self { true } else { false }
    }
}

extension ProtocolError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notOurs(let byte):
            "failed to read a frame: it starts with byte \(byte), so the peer is no sidekick; check the address and port"
        case .version(let version):
            "failed to read a frame: the peer uses frame format \(version), this side \(Frame.formatVersion); upgrade the older one"
        case .tooLarge(let bytes, let limit):
            "failed to read a frame: it announces \(bytes) bytes, the limit is \(limit)"
        case .unknownType(let type):
            "skipped a message of unknown type \(type): the peer is newer than this side"
        case .unexpectedType(let type):
            "failed to read a message: type \(type) is not one this peer may send"
        case .malformed(let type, let reason):
            "failed to read a message of type \(type): \(reason)"
        }
    }
}
