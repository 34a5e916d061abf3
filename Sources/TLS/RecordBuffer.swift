/// Room for one record's plaintext, for pieces that go out together. One per loop.
package final class RecordBuffer {
    private let base = UnsafeMutableRawPointer.allocate(byteCount: 16 << 10, alignment: 64)

    package init() {}
    deinit { base.deallocate() }

    func joining(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Int
    ) -> Int {
        if let from = first.baseAddress { base.copyMemory(from: from, byteCount: first.count) }
        if let from = second.baseAddress { (base + first.count).copyMemory(from: from, byteCount: second.count) }
        return body(UnsafeRawBufferPointer(start: base, count: first.count + second.count))
    }
}
