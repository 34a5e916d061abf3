import HTTPFraming

/// Reads a connection as the gateway does: heads by a scanner over a growing buffer, bodies piece by piece.
struct StrictReader {
    enum Kind {
        case requests
        /// Answers to requests of these methods, in order.
        case responses([String])
    }

    /// What a head means for what follows it.
    private struct Head {
        var message: SeenMessage
        var framing: BodyFraming
        var end: Int
        var stops: Bool
        var isInterim = false
        /// The reference is known to refuse this message, or to end at it.
        var isBeyondReference = false
        /// The reference is known to close behind this message.
        var closesReference = false
    }

    private let kind: Kind
    private var reading = Reading()
    private var requestScanner = RequestScanner()
    private var responseScanner = ResponseScanner()
    private var buffer: [UInt8] = []
    private var body: BodyScanner?
    private var framing = BodyFraming.none
    private var raw: [UInt8] = []
    private var finalHeads = 0

    static func read(_ bytes: [UInt8], cuts: [Int], as kind: Kind) -> Reading {
        var reader = StrictReader(kind: kind)
        for piece in pieces(bytes, cuts) where reader.reading.refusal == nil && !reader.isDone { reader.feed(piece) }
        reader.end()
        return reader.reading
    }

    private init(kind: Kind) { self.kind = kind }

    /// Nothing after this message can be compared.
    private var isDone: Bool { reading.stopped && (body == nil) }

    private mutating func feed(_ piece: ArraySlice<UInt8>) {
        buffer.append(contentsOf: piece)
        do throws(FramingError) {
            while try step() {}
        } catch {
            reading.refusal = "\(error)"
            reading.error = error
        }
    }

    /// False when more bytes are needed.
    private mutating func step() throws(FramingError) -> Bool {
        guard !isDone else { return false }
        if var scanner = body {
            guard !buffer.isEmpty || scanner.isDone else { return false }
            let taken = try taking(&scanner)
            raw.append(contentsOf: buffer[..<taken])
            buffer.removeFirst(taken)
            reading.messages[reading.messages.count - 1].body = framing == .chunked ? Self.dechunked(raw) : raw
            guard scanner.isDone else {
                body = scanner
                return false
            }
            reading.messages[reading.messages.count - 1].isComplete = true
            body = nil
            return true
        }
        guard let head = try scan() else { return false }
        buffer.removeFirst(head.end)
        requestScanner.reset()
        responseScanner.reset()
        if head.isInterim {
            // The reference takes `Connection: close` of an interim answer as the end; to us it says nothing about the final one.
            reading.stopped = head.stops
            return !head.stops
        }
        finalHeads += 1
        reading.messages.append(head.message)
        reading.stopped = head.stops
        if reading.beyondReference == nil {
            if head.isBeyondReference {
                reading.beyondReference = reading.messages.count - 1
            } else if head.closesReference {
                reading.beyondReference = reading.messages.count
            }
        }
        framing = head.framing
        raw = []
        body = BodyScanner(head.framing)
        return true
    }

    private mutating func end() {
        guard reading.refusal == nil, let scanner = body, scanner.endsAtClose else { return }
        reading.messages[reading.messages.count - 1].isComplete = true
    }

    private func taking(_ scanner: inout BodyScanner) throws(FramingError) -> Int {
        let result: Result<Int, FramingError> = buffer.withUnsafeBytes { bytes in
            Result { () throws(FramingError) in try scanner.take(bytes) }
        }
        return try result.get()
    }

    private mutating func scan() throws(FramingError) -> Head? {
        let bytes = buffer
        let result: Result<Head?, FramingError> = bytes.withUnsafeBytes { bytes in
            Result { () throws(FramingError) in
                switch kind {
                case .requests: try scanRequest(bytes)
                case .responses(let methods):
                    // An answer that nobody asked for is not HTTP any more.
                    finalHeads < methods.count ? try scanResponse(bytes, methods[finalHeads]) : nil
                }
            }
        }
        return try result.get()
    }

    private mutating func scanRequest(_ bytes: UnsafeRawBufferPointer) throws(FramingError) -> Head? {
        guard let head = try requestScanner.scan(bytes) else { return nil }
        func text(_ range: ByteRange) -> String { String(decoding: range.of(bytes), as: UTF8.self) }
        // Letters, digits and the marks every reader takes in a target; the reference's own URL rules are not framing.
        let plain = text(head.target).utf8.allSatisfy {
            ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x2D && $0 <= 0x3A) || $0 == 0x3F || $0 == 0x3D || $0 == 0x25
        }
        return Head(
            message: SeenMessage(
                start: "\(text(head.methodName)) \(text(head.target))",
                fields: requestScanner.fields.map { "\(text($0.name)): \(trimmed(text($0.value)))" }),
            framing: head.body, end: Int(head.bytes.end),
            stops: !head.keepAlive || head.upgrade || hasProxyConnection(requestScanner.fields, bytes),
            isBeyondReference: head.method == .other || upgrades(requestScanner.fields, bytes) || !plain,
            closesReference: head.minorVersion == 0 && hasTabbedConnection(requestScanner.fields, bytes))
    }

    private mutating func scanResponse(_ bytes: UnsafeRawBufferPointer, _ method: String) throws(FramingError) -> Head? {
        guard let head = try responseScanner.scan(bytes, toHead: method == "HEAD") else { return nil }
        func text(_ range: ByteRange) -> String { String(decoding: range.of(bytes), as: UTF8.self) }
        return Head(
            message: SeenMessage(
                start: "\(head.status)",
                fields: responseScanner.fields.map { "\(text($0.name)): \(trimmed(text($0.value)))" }),
            framing: head.body, end: head.end, stops: !head.keepAlive || hasProxyConnection(responseScanner.fields, bytes),
            isInterim: head.isInterim,
            isBeyondReference: head.status == 101,
            closesReference: head.minorVersion == 0 && hasTabbedConnection(responseScanner.fields, bytes))
    }

    /// The reference takes `Proxy-Connection` for `Connection`; RFC 9112 appendix C.2.2 has it ignored, and so do we.
    private func hasProxyConnection(_ fields: [Field], _ bytes: UnsafeRawBufferPointer) -> Bool {
        fields.contains { lowercased($0.name, bytes) == "proxy-connection" }
    }

    /// The reference ends at any `Upgrade` that `Connection` names; RFC 9110 section 7.8 has it ignored in HTTP/1.0, and we pass over h2c.
    private func upgrades(_ fields: [Field], _ bytes: UnsafeRawBufferPointer) -> Bool {
        fields.contains { lowercased($0.name, bytes) == "upgrade" }
            && fields.contains { lowercased($0.name, bytes) == "connection" && lowercased($0.value, bytes).contains("upgrade") }
    }

    /// The reference does not see an option that a tab touches, so it closes where HTTP/1.0 asks for a kept connection that way; RFC 9110
    /// section 5.6.3 has a tab be white space.
    private func hasTabbedConnection(_ fields: [Field], _ bytes: UnsafeRawBufferPointer) -> Bool {
        fields.contains { lowercased($0.name, bytes) == "connection" && lowercased($0.line, bytes).contains("\t") }
    }

    private func lowercased(_ range: ByteRange, _ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: range.of(bytes), as: UTF8.self).lowercased()
    }

    /// The data of a chunked body whose framing was accepted, as far as it goes.
    private static func dechunked(_ raw: [UInt8]) -> [UInt8] {
        var data: [UInt8] = []
        var rest = raw[...]
        while let line = rest.firstIndex(of: 0x0A) {
            let digits = rest[..<line].prefix { Character(UnicodeScalar($0)).isHexDigit }
            guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size > 0 else { break }
            rest = rest[(line + 1)...]
            data.append(contentsOf: rest.prefix(size))
            rest = rest.dropFirst(size + 2)
        }
        return data
    }
}
