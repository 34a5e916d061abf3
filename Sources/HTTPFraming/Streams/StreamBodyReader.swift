/// Takes the body of an HTTP/1.1 message apart into what an HTTP/2 stream carries: data, and trailers at the end.
package struct StreamBodyReader: ~Copyable {
    private enum State {
        case length(UInt64)
        case chunked(ChunkedScanner)
        case untilClose
        case done
    }

    private var state: State
    private let limits: FramingLimits
    private var trailerLines = ByteQueue()
    /// The trailers, once the body is whole.
    package private(set) var trailers = StreamFieldList()

    package init(_ framing: BodyFraming, limits: FramingLimits) {
        self.limits = limits
        switch framing {
        case .none, .length(0): state = .done
        case .length(let count): state = .length(count)
        case .chunked: state = .chunked(ChunkedScanner(limits: limits))
        case .untilClose: state = .untilClose
        }
    }

    package var isDone: Bool { if case .done = state { true } else { false } }
    package var endsAtClose: Bool { if case .untilClose = state { true } else { false } }

    /// Reads on, appends the data to `out`, and returns how many bytes were the body's: fewer than given only where it ends.
    package mutating func take(_ bytes: UnsafeRawBufferPointer, into out: inout ByteQueue) throws(FramingError) -> Int {
        switch state {
        case .done: return 0
        case .untilClose:
            out.append(bytes)
            return bytes.count
        case .length(let left):
            let count = Int(min(left, UInt64(bytes.count)))
            out.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            state = UInt64(count) == left ? .done : .length(left - UInt64(count))
            return count
        case .chunked(var scanner):
            var used = 0
            while used < bytes.count, !scanner.isDone {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[used...])
                let (count, piece) = try scanner.takePiece(rest)
                let stretch = UnsafeRawBufferPointer(rebasing: rest[..<count])
                switch piece {
                case .data: out.append(stretch)
                case .trailers: trailerLines.append(stretch)
                case .framing: break
                }
                used += count
            }
            state = scanner.isDone ? .done : .chunked(scanner)
            if scanner.isDone { try readTrailers() }
            return used
        }
    }

    /// The virtual connection ended: the end of a body that ends so.
    package mutating func close() { state = .done }

    private mutating func readTrailers() throws(FramingError) {
        guard trailerLines.count > 2, let base = trailerLines.bytes.baseAddress else { return }
        var section = FieldSection()
        var position = 0
        while case .field = try section.line(base, &position, trailerLines.count, limits) {}
        trailers.append(section.fields, trailerLines.bytes)
        trailerLines.clear()
    }
}
