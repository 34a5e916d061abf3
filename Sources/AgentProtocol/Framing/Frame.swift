/// One message on the wire: an eight-byte header, then the payload, a protobuf message.
///
///     byte 0      0x53, so that a stranger is told at once
///     byte 1      frame format version
///     bytes 2-3   message type, big endian; see `MessageType`
///     bytes 4-7   payload length in bytes, big endian
///
/// The format version changes only when an older side could not even skip a newer frame; new messages get new types and new
/// fields new numbers, which older sides skip. There is no checksum: frames travel over TCP inside TLS, or a Unix socket.
package struct Frame: Hashable, Sendable {
    package static let magic: UInt8 = 0x53
    package static let formatVersion: UInt8 = 1
    package static let headerBytes = 8
    /// The most payload either side takes unless told otherwise.
    package static let defaultMaximumBytes = 8 << 20

    package var type: UInt16
    package var payload: [UInt8]

    package init(type: UInt16, payload: [UInt8]) {
        self.type = type
        self.payload = payload
    }

    /// Header and payload as they go on the wire. The payload must be shorter than 4 GiB.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerBytes + payload.count)
        bytes.append(Self.magic)
        bytes.append(Self.formatVersion)
        bytes.append(UInt8(truncatingIfNeeded: type >> 8))
        bytes.append(UInt8(truncatingIfNeeded: type))
        let length = UInt32(payload.count)
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        bytes.append(contentsOf: payload)
        return bytes
    }
}
