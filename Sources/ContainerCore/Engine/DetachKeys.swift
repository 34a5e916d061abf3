/// Finds the two keys that detach, ^P ^Q as in Docker, in what an operator types.
///
/// Pure. A ^P is held back until the next key shows what it was.
package struct DetachKeys: Hashable, Sendable {
    private static let first: UInt8 = 0x10
    private static let second: UInt8 = 0x11

    private var holdsFirst = false

    package init() {}

    /// What goes on to the program, and whether the operator detached: then what was typed after is nobody's.
    package mutating func take(_ typed: some Sequence<UInt8>) -> (bytes: [UInt8], detached: Bool) {
        var passed: [UInt8] = []
        for byte in typed {
            if holdsFirst, byte == Self.second { return (passed, true) }
            if holdsFirst { passed.append(Self.first) }
            holdsFirst = byte == Self.first
            if !holdsFirst { passed.append(byte) }
        }
        return (passed, false)
    }
}
