/// How the end of a message's body is found.
package enum BodyFraming: Hashable, Sendable {
    case none
    case length(UInt64)
    case chunked
    /// Responses only: the body ends when the connection does.
    case untilClose
}

/// Follows a body through the bytes of a connection and tells where it ends. The bytes themselves are passed on as they are.
package struct BodyScanner: Hashable, Sendable {
    private enum State: Hashable, Sendable {
        case length(UInt64)
        case chunked(ChunkedScanner)
        case untilClose
        case done
    }

    private var state: State

    package init(_ framing: BodyFraming, limits: FramingLimits = FramingLimits()) {
        switch framing {
        case .none, .length(0): state = .done
        case .length(let count): state = .length(count)
        case .chunked: state = .chunked(ChunkedScanner(limits: limits))
        case .untilClose: state = .untilClose
        }
    }

    package var isDone: Bool { state == .done }
    /// The end of the connection ends the body as it should.
    package var endsAtClose: Bool { state == .untilClose }

    /// How many of the bytes belong to the body; after it `isDone` may be true. Throws where the body is malformed.
    package mutating func take(_ bytes: UnsafeRawBufferPointer) throws(FramingError) -> Int {
        switch state {
        case .length(let left):
            let count = min(left, UInt64(bytes.count))
            state = count == left ? .done : .length(left - count)
            return Int(count)
        case .chunked(var scanner):
            let count = try scanner.take(bytes)
            state = scanner.isDone ? .done : .chunked(scanner)
            return count
        case .untilClose: return bytes.count
        case .done: return 0
        }
    }
}
