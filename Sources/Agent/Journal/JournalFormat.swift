import FoundationEssentials

/// A journal file is a row of records: length of the payload (4 bytes, big endian), CRC-32 of the payload (4 bytes), payload
/// (JSON). A file may end anywhere, since a writer may die anywhere: reading stops at the first record that is not whole.
enum JournalFormat {
    static let headerBytes = 8

    static func encode(_ record: JournalRecord) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let payload = [UInt8](try encoder.encode(record))
        return bigEndian(UInt32(payload.count)) + bigEndian(checksum(payload[...])) + payload
    }

    /// The state the whole records add up to, and how many bytes they take.
    static func decode(_ bytes: [UInt8]) -> (state: JournalState, length: Int) {
        var state = JournalState()
        var offset = 0
        while bytes.count - offset >= headerBytes {
            let length = Int(number(bytes[offset..<offset + 4]))
            let start = offset + headerBytes
            guard bytes.count - start >= length else { break }
            let payload = bytes[start..<start + length]
            guard checksum(payload) == number(bytes[offset + 4..<offset + 8]),
                let record = try? JSONDecoder().decode(JournalRecord.self, from: Data(payload))
            else { break }
            state.apply(record)
            offset = start + length
        }
        return (state, offset)
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }

    /// CRC-32 as in ISO 3309 and gzip (reflected polynomial 0xEDB88320).
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        ~bytes.reduce(0xFFFF_FFFF) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ ($0 >> 8) }
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
    }
}
