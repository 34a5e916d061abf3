import COpenSSL

/// One certificate with its chain and private key, ready to serve.
///
/// Sendable without the compiler's check because nothing changes after `init`, and OpenSSL counts references to its objects atomically.
package final class Certificate: @unchecked Sendable {
    /// What the pair is called in its directory.
    package let name: String
    /// The DNS names it is for, in lower case, wildcards as `*.example.com`.
    package let hosts: [String]
    /// When it begins and ends to be valid, in seconds since 1970.
    package let validFrom: Int64
    package let expires: Int64
    /// Digest of what it was made from.
    let digest: [UInt8]
    let context: OpaquePointer

    deinit { SSL_CTX_free(context) }

    /// Reads both out of PEM text. `files` name them in errors.
    init(name: String, pair: CertificatePair, protocols: ApplicationProtocols) throws(TLSError) {
        let context = try TLSServer.makeContext(protocols)
        let leaf: OpaquePointer
        do throws(TLSError) {
            leaf = try Self.useChain(pair, context)
            try Self.useKey(pair, context)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        // From here on `deinit` frees it.
        self.name = name
        self.context = context
        digest = pair.digest
        hosts = Self.hosts(leaf)
        validFrom = sk_tls_seconds(X509_get0_notBefore(leaf))
        expires = sk_tls_seconds(X509_get0_notAfter(leaf))
        guard !hosts.isEmpty else {
            throw TLSError(
                "use the certificate", pair.chainFile, reason: "it names no host (no DNS name among its subject's names)")
        }
    }

    /// Puts the first certificate and those behind it in the context; returns the first, which the context keeps.
    private static func useChain(_ pair: CertificatePair, _ context: OpaquePointer) throws(TLSError) -> OpaquePointer {
        func fault() -> TLSError { .taken("use the certificate", pair.chainFile) }
        guard let source = memory(pair.chain) else { throw fault() }
        defer { BIO_free(source) }
        guard let leaf = PEM_read_bio_X509_AUX(source, nil, refuseToAsk, nil) else { throw fault() }
        defer { X509_free(leaf) }
        guard SSL_CTX_use_certificate(context, leaf) == 1 else { throw fault() }
        while let next = PEM_read_bio_X509(source, nil, refuseToAsk, nil) {
            guard sk_tls_add_chain(context, next) == 1 else {
                X509_free(next)
                throw fault()
            }
        }
        // The end of the text is what stopped the reading, or else a damaged certificate.
        let last = ERR_peek_last_error()
        guard sk_tls_error_library(last) == ERR_LIB_PEM, sk_tls_error_reason(last) == PEM_R_NO_START_LINE else { throw fault() }
        ERR_clear_error()
        guard let kept = SSL_CTX_get0_certificate(context) else { throw fault() }
        return kept
    }

    private static func useKey(_ pair: CertificatePair, _ context: OpaquePointer) throws(TLSError) {
        guard let source = memory(pair.key) else { throw .taken("use the private key", pair.keyFile) }
        defer { BIO_free(source) }
        guard let key = PEM_read_bio_PrivateKey(source, nil, refuseToAsk, nil) else {
            throw .taken("use the private key", pair.keyFile)
        }
        defer { EVP_PKEY_free(key) }
        // Checks too that it belongs to the certificate.
        guard SSL_CTX_use_PrivateKey(context, key) == 1, SSL_CTX_check_private_key(context) == 1 else {
            throw .taken("use the private key \(pair.keyFile) with the certificate", pair.chainFile)
        }
    }

    /// The text must outlive what it returns.
    private static func memory(_ text: [UInt8]) -> OpaquePointer? {
        let source = BIO_new(BIO_s_mem())
        guard let source, BIO_write(source, text, Int32(text.count)) == Int32(text.count) || text.isEmpty else { return nil }
        return source
    }

    private static func hosts(_ certificate: OpaquePointer) -> [String] {
        var names: [String] = []
        withUnsafeMutablePointer(to: &names) { list in
            sk_tls_names(certificate, list) { context, bytes, count in
                guard let bytes, let context else { return }
                let name = String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
                context.assumingMemoryBound(to: [String].self).pointee.append(name.lowercased())
            }
        }
        return names
    }
}

/// A key with a passphrase is refused: there is nobody to ask.
private func refuseToAsk(_: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, _: UnsafeMutableRawPointer?) -> Int32 { -1 }
