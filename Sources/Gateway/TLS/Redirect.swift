import TLS

/// Where plain requests are sent that should have come by TLS.
struct TLSRedirect: Sendable {
    private let server: TLSServer
    /// Of the address clients are sent to; empty for the usual one.
    private let port: String

    init(_ server: TLSServer, port: UInt16?) {
        self.server = server
        self.port = port.flatMap { $0 == 443 ? nil : ":\($0)" } ?? ""
    }

    private static let challenges = Array("/.well-known/acme-challenge/".utf8)

    /// The same by `https:`, for hosts that have a certificate of their own: others, such as the names services call each other by, have
    /// nothing to go to. How a certificate is got for a host stays plain too.
    func location(authority: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) -> [UInt8]? {
        guard !path.starts(with: Self.challenges) else { return nil }
        let end = authority.firstIndex(of: 0x3A) ?? authority.endIndex
        let host = String(decoding: authority[..<end], as: UTF8.self)
        guard !host.isEmpty, server.certificates.covering(host) != nil else { return nil }
        return Array("https://\(host)\(port)".utf8) + Array(path)
    }
}
