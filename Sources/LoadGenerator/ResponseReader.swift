import HTTPFraming

/// Reads the answer to one request out of a connection's bytes.
struct ResponseReader {
    enum Progress {
        case more
        /// Complete; `reusable` when the connection may carry another request.
        case complete(status: Int, reusable: Bool)
        case bad(String)
    }

    private var scanner = ResponseScanner()
    /// Bytes of a head that is not complete yet.
    private var partial: [UInt8] = []
    private var head: ResponseHead?
    private var body = BodyScanner(.none)
    private var label = VersionLabel()
    /// Whether the request was HEAD.
    private let toHead: Bool

    init(toHead: Bool) { self.toHead = toHead }

    var version: String? { label.value }

    mutating func reset() {
        scanner.reset()
        partial.removeAll(keepingCapacity: true)
        head = nil
        label.reset()
    }

    mutating func read(_ bytes: UnsafeRawBufferPointer) -> Progress {
        do {
            if head != nil { return try readBody(bytes) }
            if partial.isEmpty { return try readHead(bytes) }
            partial.append(contentsOf: bytes)
            let all = partial
            return try all.withUnsafeBytes { (all) throws(FramingError) in try readHead(all) }
        } catch {
            return .bad("\(error)")
        }
    }

    /// The connection ended.
    func atEnd() -> Progress {
        guard let head, body.endsAtClose else { return .more }
        return .complete(status: head.status, reusable: false)
    }

    private mutating func readHead(_ bytes: UnsafeRawBufferPointer) throws(FramingError) -> Progress {
        guard let found = try scanner.scan(bytes, toHead: toHead) else {
            if partial.isEmpty { partial.append(contentsOf: bytes) }
            return .more
        }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[found.end...])
        if found.isInterim {
            scanner.reset()
            partial.removeAll(keepingCapacity: true)
            return rest.isEmpty ? .more : try readHead(rest)
        }
        head = found
        body = BodyScanner(found.body)
        return try readBody(rest)
    }

    private mutating func readBody(_ bytes: UnsafeRawBufferPointer) throws(FramingError) -> Progress {
        guard let head else { return .more }
        let taken = try body.take(bytes)
        label.append(bytes[..<taken])
        guard body.isDone else { return .more }
        guard taken == bytes.count else { return .bad("\(bytes.count - taken) bytes follow the answer's end") }
        return .complete(status: head.status, reusable: head.keepAlive)
    }
}
