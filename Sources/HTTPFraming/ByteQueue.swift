/// Bytes that wait to be sent: appended at the end, consumed at the front.
///
/// Public, with all it has, as the compiler inlines nothing of a module into another that is not.
public struct ByteQueue: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer?
    @usableFromInline var capacity = 0
    @usableFromInline var start = 0
    @usableFromInline var end = 0

    @inlinable public init() {}
    @inlinable deinit { base?.deallocate() }

    @inlinable @inline(__always) public var count: Int { end &- start }
    @inlinable @inline(__always) public var isEmpty: Bool { start == end }
    @inlinable public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base.map { $0 + start }, count: count) }

    /// The bytes from `offset` on.
    @inlinable public func suffix(from offset: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base.map { $0 + start + offset }, count: count - offset)
    }

    @inlinable @inline(__always) public mutating func append(_ source: UnsafeRawBufferPointer) {
        guard let from = source.baseAddress, source.count > 0 else { return }
        reserve(source.count).copyMemory(from: from, byteCount: source.count)
        end &+= source.count
    }

    /// The first bytes, `count` of them at most.
    @inlinable public func prefix(_ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base.map { $0 + start }, count: min(count, self.count))
    }

    @inlinable @inline(__always) public mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inlinable public mutating func append(_ source: [UInt8]) { source.withUnsafeBytes { append($0) } }

    @inlinable public mutating func append(text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    @inlinable public mutating func append(byte: UInt8) {
        reserve(1).storeBytes(of: byte, as: UInt8.self)
        end &+= 1
    }

    @inlinable public mutating func consume(_ count: Int) {
        start &+= count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Empties it, and gives back what one large message made it grow to.
    @inlinable public mutating func clear() {
        start = 0
        end = 0
        if capacity > 8192 {
            base?.deallocate()
            base = nil
            capacity = 0
        }
    }

    /// Where the next `count` bytes go.
    @inlinable @inline(__always) public mutating func reserve(_ count: Int) -> UnsafeMutableRawPointer {
        if let base, end &+ count <= capacity { return base + end }
        return grow(count)
    }

    @usableFromInline mutating func grow(_ count: Int) -> UnsafeMutableRawPointer {
        let used = end - start
        let wanted = max(1024, used + count, used * 2)
        let new = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16)
        if let base {
            new.copyMemory(from: base + start, byteCount: used)
            base.deallocate()
        }
        base = new
        capacity = wanted
        start = 0
        end = used
        return new + used
    }
}
