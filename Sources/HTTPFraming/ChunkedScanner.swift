/// Follows a chunked body (RFC 9112 section 7.1) to its last byte, trailers included.
///
/// Strict where readers differ: sizes are hexadecimal digits only, at most fifteen of them; lines end in CR LF; what follows a
/// size starts with `;`; trailers are well-formed field lines that say nothing about the message's framing or way.
package struct ChunkedScanner: Hashable, Sendable {
    private enum State: UInt8, Hashable, Sendable {
        case sizeStart, size, extensionStart, extensionName, extensionValueStart, extensionValue, extensionQuoted,
            extensionQuotedEnd
        case sizeEnd, data, dataEnd, dataEndFeed
        case trailerStart, trailerName, trailerValue, trailerEnd, lastFeed, done
    }

    /// Trailers that frame, route or manage the connection (RFC 9110 section 6.5.1): a reader that merges trailers into the head would
    /// take them for its own. By hash, as a name may come in pieces.
    private static let forbidden: Set<UInt64> = Set(
        [
            "content-length", "transfer-encoding", "host", "connection", "keep-alive", "proxy-connection", "upgrade", "expect",
            "te",
            "trailer",
        ].map { $0.utf8.reduce(hashStart, hash) })
    private static let hashStart: UInt64 = 0xcbf2_9ce4_8422_2325

    private static func hash(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte | 0x20)) &* 0x0000_0100_0000_01b3 }

    private var state = State.sizeStart
    private var digits: UInt8 = 0
    /// The size read so far, then what is left of the chunk's data.
    private var left: UInt64 = 0
    /// FNV-1a of the trailer name read so far, in lower case.
    private var name: UInt64 = 0
    /// Bytes of this chunk's extension, or of all trailers.
    private var used = 0
    private let extensionLimit: Int
    private let trailerLimit: Int

    package init(limits: FramingLimits = FramingLimits()) {
        extensionLimit = limits.chunkExtensionBytes
        trailerLimit = limits.trailerBytes
    }

    package var isDone: Bool { state == .done }

    /// How many of the bytes belong to the body.
    package mutating func take(_ bytes: UnsafeRawBufferPointer) throws(FramingError) -> Int {
        var index = 0
        while index < bytes.count, state != .done {
            if state == .data {
                let count = Int(min(left, UInt64(bytes.count - index)))
                index += count
                left -= UInt64(count)
                if left == 0 { state = .dataEnd }
            } else {
                try step(bytes[index])
                index += 1
            }
        }
        return index
    }

    /// Whether a trailer of this name is refused.
    static func isForbiddenTrailer(_ name: UnsafeRawBufferPointer) -> Bool { forbidden.contains(name.reduce(hashStart, hash)) }

    /// What a stretch of a chunked body is.
    package enum Piece: Hashable, Sendable { case framing, data, trailers }

    /// Like `take`, but goes no further than to where the bytes change from one piece to the next, for a reader that takes the coding
    /// off. The bytes of trailers are their lines with the empty line behind them.
    package mutating func takePiece(_ bytes: UnsafeRawBufferPointer) throws(FramingError) -> (count: Int, piece: Piece) {
        let piece = self.piece
        if piece == .data {
            return (try take(UnsafeRawBufferPointer(rebasing: bytes.prefix(Int(min(left, UInt64(bytes.count)))))), .data)
        }
        var index = 0
        while index < bytes.count, state != .done, self.piece == piece {
            try step(bytes[index])
            index += 1
        }
        return (index, piece)
    }

    private var piece: Piece {
        switch state {
        case .data: .data
        case .trailerStart, .trailerName, .trailerValue, .trailerEnd, .lastFeed, .done: .trailers
        default: .framing
        }
    }

    private mutating func step(_ byte: UInt8) throws(FramingError) {
        switch state {
        case .sizeStart:
            digits = 0
            left = 0
            used = 0
            state = .size
            try stepSize(byte)
        case .size: try stepSize(byte)
        case .extensionStart, .extensionName, .extensionValueStart, .extensionValue, .extensionQuoted, .extensionQuotedEnd:
            try stepExtension(byte)
        case .sizeEnd:
            guard byte == 0x0A else { throw .bareCarriageReturn }
            used = 0
            state = left == 0 ? .trailerStart : .data
        case .dataEnd:
            guard byte == 0x0D else { throw .missingChunkEnd }
            state = .dataEndFeed
        case .dataEndFeed:
            guard byte == 0x0A else { throw .missingChunkEnd }
            state = .sizeStart
        case .trailerStart, .trailerName, .trailerValue, .trailerEnd, .lastFeed: try stepTrailer(byte)
        case .data, .done: break
        }
    }

    private mutating func stepSize(_ byte: UInt8) throws(FramingError) {
        let digit = ByteClass.hexadecimal(byte)
        if digit < 16 {
            digits += 1
            guard digits <= 15 else { throw .invalidChunkSize }
            left = left << 4 | UInt64(digit)
            return
        }
        guard digits > 0 else { throw .invalidChunkSize }
        switch byte {
        case 0x0D: state = .sizeEnd
        case 0x3B: state = .extensionStart
        case 0x0A: throw .bareLineFeed
        default: throw .invalidChunkSize
        }
    }

    /// Reads `name`, `name=token` or `name="text"` behind a `;`.
    private mutating func stepExtension(_ byte: UInt8) throws(FramingError) {
        used += 1
        guard used <= extensionLimit || byte == 0x0D else { throw .chunkExtensionTooLong }
        guard byte != 0x0A else { throw .bareLineFeed }
        switch (state, byte) {
        case (.extensionName, 0x0D), (.extensionValue, 0x0D), (.extensionQuotedEnd, 0x0D): state = .sizeEnd
        case (.extensionName, 0x3B), (.extensionValue, 0x3B), (.extensionQuotedEnd, 0x3B): state = .extensionStart
        case (.extensionName, 0x3D): state = .extensionValueStart
        case (.extensionValueStart, 0x22): state = .extensionQuoted
        case (.extensionQuoted, 0x22): state = .extensionQuotedEnd
        // No escapes: where such text ends is what readers could differ on.
        case (.extensionQuoted, 0x20..<0x7F) where byte != 0x5C: break
        case (.extensionStart, _) where ByteClass.isToken(byte): state = .extensionName
        case (.extensionValueStart, _) where ByteClass.isToken(byte): state = .extensionValue
        case (.extensionName, _) where ByteClass.isToken(byte): break
        case (.extensionValue, _) where ByteClass.isToken(byte): break
        default: throw .invalidChunkSize
        }
    }

    private mutating func stepTrailer(_ byte: UInt8) throws(FramingError) {
        used += 1
        guard used <= trailerLimit else { throw .trailersTooLarge }
        switch state {
        case .trailerStart:
            if byte == 0x0D {
                state = .lastFeed
                return
            }
            guard byte != 0x0A else { throw .bareLineFeed }
            guard ByteClass.isToken(byte) else { throw .invalidTrailer }
            name = Self.hash(Self.hashStart, byte)
            state = .trailerName
        case .trailerName:
            if byte == 0x3A {
                guard !Self.forbidden.contains(name) else { throw .invalidTrailer }
                state = .trailerValue
                return
            }
            guard ByteClass.isToken(byte) else { throw .invalidTrailer }
            name = Self.hash(name, byte)
        case .trailerValue:
            if byte == 0x0D {
                state = .trailerEnd
                return
            }
            guard byte != 0x0A else { throw .bareLineFeed }
            guard byte == 0x09 || !ByteClass.isControl(byte) else { throw .invalidTrailer }
        case .trailerEnd:
            guard byte == 0x0A else { throw .bareCarriageReturn }
            state = .trailerStart
        default:
            guard byte == 0x0A else { throw .bareCarriageReturn }
            state = .done
        }
    }
}
