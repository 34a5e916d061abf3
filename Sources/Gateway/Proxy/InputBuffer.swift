/// The bytes read from one connection and not yet passed on. It borrows a block of its loop's pool only while it has some, so that
/// an idle connection holds no buffer.
struct InputBuffer: ~Copyable {
    private var block: UnsafeMutableRawPointer?
    private var start = 0
    private var end = 0

    init() {}

    var count: Int { end &- start }
    var isEmpty: Bool { start == end }
    var isFull: Bool { start == 0 && end == BlockPool.blockBytes }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: block.map { $0 + start }, count: count) }

    func prefix(_ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block.map { $0 + start }, count: count)
    }

    mutating func consume(_ count: Int) {
        start &+= count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Where the next bytes may be put: what of them is, `added` tells.
    mutating func room(_ pool: BlockPool) -> UnsafeMutableRawBufferPointer {
        let block: UnsafeMutableRawPointer
        if let held = self.block {
            block = held
            if start > 0 {
                if count > 0 { block.copyMemory(from: block + start, byteCount: count) }
                end -= start
                start = 0
            }
        } else {
            block = pool.take()
            self.block = block
        }
        return UnsafeMutableRawBufferPointer(start: block + end, count: BlockPool.blockBytes &- end)
    }

    mutating func added(_ count: Int) { end &+= count }

    /// Gives the block back when nothing is in it.
    mutating func rest(_ pool: BlockPool) {
        guard isEmpty, let block else { return }
        pool.give(block)
        self.block = nil
    }

    mutating func discard(_ pool: BlockPool) {
        start = 0
        end = 0
        rest(pool)
    }
}

/// One loop's blocks for reading.
final class BlockPool {
    static let blockBytes = 32 << 10
    /// Free blocks kept; what a burst needed beyond it goes back to the system.
    private static let kept = 64
    private var free: [UnsafeMutableRawPointer] = []

    deinit { for block in free { block.deallocate() } }

    func take() -> UnsafeMutableRawPointer {
        free.popLast() ?? UnsafeMutableRawPointer.allocate(byteCount: Self.blockBytes, alignment: 64)
    }

    func give(_ block: UnsafeMutableRawPointer) {
        if free.count < Self.kept { free.append(block) } else { block.deallocate() }
    }
}
