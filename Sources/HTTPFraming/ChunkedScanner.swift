/// Follows a chunked body (RFC 9112 section 7.1) to its last byte, trailers included.
///
/// Strict where readers differ: sizes are hexadecimal digits only, at most fifteen of them; lines end in CR LF; what follows a
/// size starts with `;`; trailers are well-formed field lines.
package struct ChunkedScanner: Hashable, Sendable {
    private enum State: UInt8, Hashable, Sendable {
        case sizeStart, size, `extension`, sizeEnd, data, dataEnd, dataEndFeed
        case trailerStart, trailerName, trailerValue, trailerEnd, lastFeed, done
    }

    private var state = State.sizeStart
    private var digits: UInt8 = 0
    /// The size read so far, then what is left of the chunk's data.
    private var left: UInt64 = 0
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

    private mutating func step(_ byte: UInt8) throws(FramingError) {
        switch state {
        case .sizeStart:
            digits = 0
            left = 0
            used = 0
            state = .size
            try stepSize(byte)
        case .size: try stepSize(byte)
        case .extension:
            if byte == 0x0D {
                state = .sizeEnd
                return
            }
            guard byte != 0x0A else { throw .bareLineFeed }
            guard byte == 0x09 || !ByteClass.isControl(byte) else { throw .invalidChunkSize }
            used += 1
            guard used <= extensionLimit else { throw .chunkExtensionTooLong }
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
        case 0x3B: state = .extension
        case 0x0A: throw .bareLineFeed
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
            state = .trailerName
        case .trailerName:
            if byte == 0x3A {
                state = .trailerValue
                return
            }
            guard ByteClass.isToken(byte) else { throw .invalidTrailer }
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
