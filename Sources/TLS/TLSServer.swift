import COpenSSL
import Synchronization

/// What may be spoken inside TLS, best first.
package struct ApplicationProtocols: Hashable, Sendable {
    /// By their names in ALPN.
    package var names: [String]

    package init(_ names: [String]) { self.names = names }

    package static let http1 = ApplicationProtocols(["http/1.1"])
    package static let http2 = ApplicationProtocols(["h2", "http/1.1"])

    /// As ALPN has lists on the wire: each name behind its length.
    var wire: [UInt8] { names.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } }
}

/// The server's side of TLS: what is spoken, with which certificates. One for all loops of a process, so that a client that comes back to
/// another loop resumes its session.
///
/// Sendable without the compiler's check because the context is set up in `init` and OpenSSL locks what it changes afterwards; the
/// certificates are under a lock.
package final class TLSServer: @unchecked Sendable {
    let context: OpaquePointer
    let ticketKeys = SharedTicketKeys()
    private let current: Mutex<CertificateSet>

    package init(_ certificates: CertificateSet, _ protocols: ApplicationProtocols) throws(TLSError) {
        context = try Self.makeContext(protocols)
        current = Mutex(certificates)
        SSL_CTX_set_cert_cb(context, chooseCertificate, nil)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, useTicketKey)
    }

    deinit { SSL_CTX_free(context) }

    /// What new connections are offered. Those there are keep what they have.
    package var certificates: CertificateSet {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    private static let ciphersOfTLS12 = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")

    /// AES with 128 bits first: as safe for anything sent today, with fewer rounds per byte and SHA-256 in the handshake.
    private static let ciphersOfTLS13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

    /// A context with everything but a certificate. A connection starts in the server's and goes over to its certificate's, which some
    /// settings are then taken from: all are made alike.
    static func makeContext(_ protocols: ApplicationProtocols) throws(TLSError) -> OpaquePointer {
        guard let context = SSL_CTX_new(TLS_server_method()) else { throw .taken("set up TLS") }
        sk_tls_set_minimum(context, TLS1_2_VERSION)
        // Ours is the order of ciphers, but a client without hardware for AES, which names ChaCha20 first, gets that.
        _ = SSL_CTX_set_options(
            context,
            SK_TLS_NO_RENEGOTIATION | SK_TLS_NO_COMPRESSION | SK_TLS_SERVER_PREFERENCE | SK_TLS_PRIORITIZE_CHACHA)
        sk_tls_set_mode(
            context,
            Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) | Int(SSL_MODE_RELEASE_BUFFERS))
        sk_tls_read_ahead(context)
        // Sessions are resumed by tickets; the server keeps none.
        sk_tls_no_session_cache(context)
        let name = Array("sidekick".utf8)
        guard SSL_CTX_set_session_id_context(context, name, UInt32(name.count)) == 1,
            SSL_CTX_set_cipher_list(context, ciphersOfTLS12) == 1,
            SSL_CTX_set_ciphersuites(context, ciphersOfTLS13) == 1, sk_tls_set_groups(context, "X25519:P-256:P-384") == 1
        else {
            SSL_CTX_free(context)
            throw .taken("set up TLS")
        }
        let list = ProtocolList.of(protocols)
        SSL_CTX_set_alpn_select_cb(context, chooseProtocol, Unmanaged.passUnretained(list).toOpaque())
        return context
    }
}

/// A list of protocols as OpenSSL's callback needs it: at one place for ever. There are as many as there are different lists.
private final class ProtocolList: Sendable {
    let wire: [UInt8]

    private init(_ wire: [UInt8]) { self.wire = wire }

    private static let all = Mutex<[ApplicationProtocols: ProtocolList]>([:])

    static func of(_ protocols: ApplicationProtocols) -> ProtocolList {
        all.withLock { all in
            if let known = all[protocols] { return known }
            let new = ProtocolList(protocols.wire)
            all[protocols] = new
            return new
        }
    }
}

/// Gives the connection the certificate for the host it asks for. Not called when a session is resumed.
private func chooseCertificate(_ ssl: OpaquePointer?, _: UnsafeMutableRawPointer?) -> Int32 {
    guard let ssl, let data = SSL_get_ex_data(ssl, 0) else { return 0 }
    let session = Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
    let host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
    guard let certificate = session.server.certificates.choose(host) else { return 0 }
    return SSL_set_SSL_CTX(ssl, certificate.context) == nil ? 0 : 1
}

/// Chooses the first of our protocols that the client offers; one that offers only others is refused (RFC 7301 section 3.2).
private func chooseProtocol(
    _: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ length: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?, _ offeredCount: UInt32, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let argument, let chosen, let length, let offered else { return SSL_TLSEXT_ERR_NOACK }
    let wire = Unmanaged<ProtocolList>.fromOpaque(argument).takeUnretainedValue().wire
    let offers = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
    var ours = 0
    while ours < wire.count {
        let name = wire[(ours + 1)..<(ours + 1 + Int(wire[ours]))]
        var theirs = 0
        while theirs < offers.count {
            let end = theirs + 1 + Int(offers[theirs])
            guard end <= offers.count else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            if offers[(theirs + 1)..<end].elementsEqual(name) {
                // Points into the client's list, which OpenSSL keeps while it needs the answer.
                chosen.pointee = offered + theirs + 1
                length.pointee = offers[theirs]
                return SSL_TLSEXT_ERR_OK
            }
            theirs = end
        }
        ours += 1 + name.count
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}
