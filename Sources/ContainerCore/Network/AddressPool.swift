/// Who has which number of a range; a number is handed out again only after all others had their turn.
///
/// Pure. Taking costs one step per 64 taken numbers in a row, so close to constant.
package struct AddressPool: Sendable {
    private let range: ClosedRange<UInt32>
    private var words: [UInt64]
    /// Where the next search begins, counted from the range's start.
    private var next: Int = 0
    private var owners: [String: UInt32] = [:]

    package init(_ range: ClosedRange<UInt32>) {
        self.range = range
        words = Array(repeating: 0, count: (range.count + 63) / 64)
        let beyond = range.count % 64
        if beyond != 0 { words[words.count - 1] = UInt64.max << beyond }
    }

    package var taken: [String: UInt32] { owners }

    package subscript(owner: String) -> UInt32? { owners[owner] }

    /// A number for that owner, the one it has if it has one; nil when all are taken.
    package mutating func take(for owner: String) -> UInt32? {
        if let number = owners[owner] { return number }
        guard let offset = free(from: next) ?? free(from: 0) else { return nil }
        mark(offset, taken: true)
        next = offset + 1 == range.count ? 0 : offset + 1
        let number = range.lowerBound + UInt32(offset)
        owners[owner] = number
        return number
    }

    /// Notes what an owner has from earlier; false when the number is out of the range or someone else's.
    package mutating func restore(_ number: UInt32, for owner: String) -> Bool {
        guard range.contains(number) else { return false }
        if let has = owners[owner] { return has == number }
        let offset = Int(number - range.lowerBound)
        guard words[offset / 64] & (1 << UInt64(offset % 64)) == 0 else { return false }
        mark(offset, taken: true)
        owners[owner] = number
        if offset >= next { next = offset + 1 == range.count ? 0 : offset + 1 }
        return true
    }

    /// The number that is free again, nil when the owner had none.
    package mutating func giveBack(_ owner: String) -> UInt32? {
        guard let number = owners.removeValue(forKey: owner) else { return nil }
        mark(Int(number - range.lowerBound), taken: false)
        return number
    }

    private func free(from start: Int) -> Int? {
        var index = start / 64
        var word = words[index] | ((1 << UInt64(start % 64)) - 1)
        while true {
            if word != .max { return index * 64 + (~word).trailingZeroBitCount }
            index += 1
            if index == words.count { return nil }
            word = words[index]
        }
    }

    private mutating func mark(_ offset: Int, taken: Bool) {
        let bit: UInt64 = 1 << UInt64(offset % 64)
        if taken { words[offset / 64] |= bit } else { words[offset / 64] &= ~bit }
    }
}
