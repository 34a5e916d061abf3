/// How much of a message head, of a chunk line and of trailers is accepted before the message is refused.
package struct FramingLimits: Hashable, Sendable {
    /// Bytes of a whole head, the empty line included; beyond it 431.
    package var headBytes = 16 << 10
    /// Bytes of a request target; beyond it 414.
    package var targetBytes = 8 << 10
    /// Field lines of a head; beyond it 431.
    package var fields = 100
    /// Bytes after the size on one chunk's line; beyond it 400.
    package var chunkExtensionBytes = 256
    /// Bytes of all trailer lines together; beyond it 431.
    package var trailerBytes = 4 << 10

    package init() {}
}
