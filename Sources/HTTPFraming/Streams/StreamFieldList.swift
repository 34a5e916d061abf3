/// A list of names and values as HTTP/2 sends them: names in lower case, pseudo-header fields first, nothing about the connection.
package struct StreamFieldList: ~Copyable {
    /// Where one line lies in `bytes`.
    package struct Line {
        package var name: Range<Int>
        package var value: Range<Int>
        /// Must not get into the compression's table: it is a secret, or never the same twice.
        package var isSensitive = false
    }

    private var queue = ByteQueue()
    package private(set) var lines: [Line] = []

    package init() {}

    package var bytes: UnsafeRawBufferPointer { queue.bytes }
    package var isEmpty: Bool { lines.isEmpty }

    package mutating func clear() {
        queue.clear()
        lines.removeAll(keepingCapacity: true)
    }

    /// The head of a response, out of the bytes it was scanned in.
    package mutating func response(_ head: ResponseHead, _ fields: [Field], _ bytes: UnsafeRawBufferPointer) {
        append(":status", text: head.status)
        append(fields, bytes)
    }

    /// The head of a request. `scheme` is that of the connection it goes out on.
    package mutating func request(
        _ head: RequestHead, _ fields: [Field], _ bytes: UnsafeRawBufferPointer, scheme: StaticString
    ) {
        append(":method", head.methodName.of(bytes))
        append(":scheme", UnsafeRawBufferPointer(start: scheme.utf8Start, count: scheme.utf8CodeUnitCount))
        if !head.authority.isEmpty { append(":authority", head.authority.of(bytes)) }
        let path = head.path.of(bytes)
        if path.first == 0x2F || path.first == 0x2A {
            append(":path", path)
        } else {
            // An absolute target may have no path, or begin with its query.
            let start = queue.count
            queue.append(":path/")
            queue.append(path)
            lines.append(Line(name: start..<(start + 5), value: (start + 5)..<queue.count))
        }
        append(fields, bytes)
        // The gateway passes trailers on, and gRPC servers ask for one who does.
        append("te", UnsafeRawBufferPointer(start: Self.trailers.utf8Start, count: Self.trailers.utf8CodeUnitCount))
    }

    private static let trailers: StaticString = "trailers"

    /// The lines that have a place in HTTP/2.
    mutating func append(_ fields: [Field], _ bytes: UnsafeRawBufferPointer) {
        for field in fields {
            switch field.role {
            case .connection, .hopByHop, .upgrade, .transferEncoding, .host, .peer: continue
            case .plain, .contentLength, .expect, .forwardedFor, .forwardedProto, .forwardedHost, .forwarded, .requestID, .cookie:
                break
            }
            let start = queue.count
            for byte in field.name.of(bytes) { queue.append(byte: byte &- 0x41 < 26 ? byte | 0x20 : byte) }
            let middle = queue.count
            queue.append(field.value.of(bytes))
            lines.append(
                Line(
                    name: start..<middle, value: middle..<queue.count,
                    isSensitive: field.role == .cookie || field.role == .requestID))
        }
    }

    private mutating func append(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
        let start = queue.count
        queue.append(name)
        let middle = queue.count
        queue.append(value)
        lines.append(Line(name: start..<middle, value: middle..<queue.count))
    }

    private mutating func append(_ name: StaticString, text number: Int) {
        let start = queue.count
        queue.append(name)
        let middle = queue.count
        queue.append(text: String(number))
        lines.append(Line(name: start..<middle, value: middle..<queue.count))
    }
}
