/// Cuts a byte stream into frames. Feed it what was read, then take frames until `next` returns nil:
///
///     decoder.append(contentsOf: bytes)
///     while let frame = try decoder.next() { … }
///
/// It never holds more than one incomplete frame plus the last bytes appended. After an error it stays failed, since nothing
/// says where the next frame begins.
package struct FrameDecoder: Sendable {
    private let maximumFrameBytes: Int
    private var buffer: [UInt8] = []
    /// Where the first byte not yet taken is in `buffer`.
    private var start = 0
    private var failure: ProtocolError?

    /// - Parameter maximumFrameBytes: the most payload a frame may announce.
    package init(maximumFrameBytes: Int = Frame.defaultMaximumBytes) {
        self.maximumFrameBytes = maximumFrameBytes
    }

    /// Bytes appended and not yet taken as a frame.
    package var bufferedBytes: Int { buffer.count - start }

    package mutating func append(contentsOf bytes: some Sequence<UInt8>) {
        guard failure == nil else { return }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete frame, or nil when more bytes are needed.
    package mutating func next() throws(ProtocolError) -> Frame? {
        if let failure { throw failure }
        do {
            guard let length = try payloadLength() else { return nil }
            let payloadStart = start + Frame.headerBytes
            guard buffer.count - payloadStart >= length else { return nil }
            let type = UInt16(buffer[start + 2]) << 8 | UInt16(buffer[start + 3])
            let frame = Frame(type: type, payload: Array(buffer[payloadStart..<payloadStart + length]))
            start = payloadStart + length
            discardTaken()
            return frame
        } catch {
            failure = error
            buffer = []
            start = 0
            throw error
        }
    }

    /// The first frame's payload length, nil while its header is incomplete. A wrong first byte is told as soon as it is there.
    private func payloadLength() throws(ProtocolError) -> Int? {
        guard start < buffer.count else { return nil }
        guard buffer[start] == Frame.magic else { throw .notOurs(firstByte: buffer[start]) }
        guard start + 1 < buffer.count else { return nil }
        guard buffer[start + 1] == Frame.formatVersion else { throw .version(buffer[start + 1]) }
        guard buffer.count - start >= Frame.headerBytes else { return nil }
        let length = buffer[start + 4..<start + 8].reduce(0) { $0 << 8 | Int($1) }
        guard length <= maximumFrameBytes else { throw .tooLarge(bytes: length, limit: maximumFrameBytes) }
        return length
    }

    /// Moves the rest to the front only once taken bytes outweigh it, so that each byte is moved at most about once.
    private mutating func discardTaken() {
        if start == buffer.count {
            // A buffer grown by one large frame is given back.
            buffer.removeAll(keepingCapacity: buffer.capacity <= 64 << 10)
            start = 0
        } else if start >= 4096, start > buffer.count / 2 {
            buffer.removeSubrange(..<start)
            start = 0
        }
    }
}
