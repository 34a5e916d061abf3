import COpenSSL
import Foundation
import Gateway
import Glibc

/// A blocking TLS client on OpenSSL's own socket handling, not the code under test. It trusts anybody and says whom it met.
final class TLSClient {
    struct Options {
        var host: String? = "a"
        var version: (least: Int32, most: Int32) = (TLS1_2_VERSION, TLS1_3_VERSION)
        var protocols: [String] = []
        var session: TLSClient.Session?
        var receiveBuffer: Int32?
    }

    /// How the peer ended its direction.
    enum End { case closeNotify, cut }

    final class Session {
        let pointer: OpaquePointer
        init(_ pointer: OpaquePointer) { self.pointer = pointer }
        deinit { SSL_SESSION_free(pointer) }
    }

    let socket: BlockingSocket
    let ssl: OpaquePointer
    private let context: OpaquePointer
    private(set) var end: End?
    private(set) lazy var reader = MessageReader { [unowned self] in read() }

    /// Connects and agrees on keys.
    init(port: UInt16, _ options: Options = Options()) throws {
        guard let context = SSL_CTX_new(TLS_client_method()), let ssl = SSL_new(context) else { throw TestFailure("no OpenSSL") }
        signal(SIGPIPE, SIG_IGN)
        self.context = context
        self.ssl = ssl
        socket = try BlockingSocket.connect(port: port, receiveBuffer: options.receiveBuffer)
        // Below 1.2 only with the security level that still knows it.
        if options.version.least < TLS1_2_VERSION { SSL_set_security_level(ssl, 0) }
        SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(options.version.least), nil)
        SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(options.version.most), nil)
        if let host = options.host { _ = sk_tls_set_server_name(ssl, host) }
        let list = options.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !list.isEmpty { SSL_set_alpn_protos(ssl, list, UInt32(list.count)) }
        if let session = options.session { SSL_set_session(ssl, session.pointer) }
        SSL_set_fd(ssl, socket.descriptor)
        guard SSL_connect(ssl) == 1 else { throw TestFailure("handshake: \(Self.reason())") }
    }

    deinit {
        // Else OpenSSL takes the session for a bad one.
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    static func reason() -> String {
        defer { ERR_clear_error() }
        return ERR_reason_error_string(ERR_peek_error()).map { String(cString: $0) } ?? "connection ended"
    }

    var isResumed: Bool { SSL_session_reused(ssl) == 1 }
    var version: String { String(cString: SSL_get_version(ssl)) }

    /// The common name of the certificate it met.
    var subject: String {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return "" }
        defer { X509_free(certificate) }
        var text = [CChar](repeating: 0, count: 256)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, &text, 256)
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    var negotiated: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        return name.map { String(decoding: UnsafeBufferPointer(start: $0, count: Int(count)), as: UTF8.self) }
    }

    /// What a later connection resumes; there only after something was read (1.3 sends its tickets late).
    func session() -> Session? { SSL_get1_session(ssl).map { Session($0) } }

    func read(limit: Int = 65536) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = SSL_read(ssl, &buffer, Int32(limit))
        if count > 0 { return Array(buffer.prefix(Int(count))) }
        end = SSL_get_error(ssl, count) == SSL_ERROR_ZERO_RETURN ? .closeNotify : .cut
        ERR_clear_error()
        return nil
    }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return true }
        defer { ERR_clear_error() }
        return SSL_write(ssl, bytes, Int32(bytes.count)) == Int32(bytes.count)
    }

    func send(_ text: String) { write(Array(text.utf8)) }

    func get(_ path: String = "/", host: String = "a", fields: String = "") throws -> MessageReader.Message {
        send("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\(fields)\r\n")
        return try response()
    }

    func response() throws -> MessageReader.Message {
        guard let message = reader.message(untilClose: true) else { throw TestFailure("no response") }
        return message
    }

    /// Says close_notify and sends no FIN.
    func endWriting() { SSL_shutdown(ssl) }
}

/// A directory of certificates made by `openssl`; gone with it.
final class TestCertificates: Sendable {
    let path: String

    init() {
        path = "/tmp/sk-tls-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(path, 0o700)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    enum Layout { case pair, directory }

    func files(_ name: String, _ layout: Layout = .pair) -> (chain: String, key: String) {
        switch layout {
        case .pair: ("\(path)/\(name).crt", "\(path)/\(name).key")
        case .directory: ("\(path)/\(name)/fullchain.pem", "\(path)/\(name)/privkey.pem")
        }
    }

    /// Makes or replaces one, for `subject` and the hosts given, both files by renaming new ones into place.
    func make(_ name: String, subject: String? = nil, hosts: [String], days: Int = 30, _ layout: Layout = .pair) throws {
        if layout == .directory { mkdir("\(path)/\(name)", 0o700) }
        let (chain, key) = files(name, layout)
        let temporary = (chain: "\(path)/.new-\(name)-chain", key: "\(path)/.new-\(name)-key")
        try Self.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", temporary.key,
                "-out",
                temporary.chain, "-days", "\(days)", "-subj", "/CN=\(subject ?? name)", "-addext",
                "subjectAltName=" + hosts.map { "DNS:\($0)" }.joined(separator: ","),
            ])
        rename(temporary.key, key)
        rename(temporary.chain, chain)
    }

    @discardableResult
    static func run(_ program: String, _ arguments: [String]) throws -> (output: String, code: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (text, process.terminationStatus)
    }
}

extension TestGateway {
    /// A gateway that also speaks TLS with those certificates.
    static func withTLS(
        _ replicas: [TestReplica], _ certificates: TestCertificates, threads: Int = 2,
        change: (inout GatewayConfiguration) -> Void = { _ in }, _ body: @escaping @Sendable (TestGateway) throws -> Void
    ) async throws {
        try await with(
            [web(replicas)], threads: threads,
            change: {
                $0.tlsListen = ["127.0.0.1:0"]
                $0.certificates = certificates.path
                change(&$0)
            }, body)
    }

    func tls(_ options: TLSClient.Options = TLSClient.Options()) throws -> TLSClient { try TLSClient(port: tlsPort, options) }
}
