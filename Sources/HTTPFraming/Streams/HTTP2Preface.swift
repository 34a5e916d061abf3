/// How a client that knows it talks to an HTTP/2 server begins a plain connection (RFC 9113 section 3.4). No HTTP/1.1 request does: the
/// method PRI is reserved.
package enum HTTP2Preface {
    package static let text: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    package enum Match: Hashable, Sendable { case no, begun, whole }

    /// What the first bytes of a connection are.
    package static func match(_ bytes: UnsafeRawBufferPointer) -> Match {
        let length = text.utf8CodeUnitCount
        for index in 0..<min(bytes.count, length) where bytes[index] != text.utf8Start[index] { return .no }
        return bytes.count < length ? .begun : .whole
    }
}
