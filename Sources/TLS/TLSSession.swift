import COpenSSL
package import EventLoop
import Glibc

/// One TLS connection on one socket, the server's side; used on one loop's thread.
///
/// Reading and writing return what those of `Socket` do. The end of reading is 0 only after the peer's close_notify: a connection that just
/// stops was cut, and reads as `-ECONNRESET`.
package final class TLSSession {
    let server: TLSServer
    package private(set) var socket: Socket
    private let ssl: OpaquePointer
    private let records: RecordBuffer
    private var isEstablished = false
    /// OpenSSL may not be called for anything but to free it any more.
    private var isBroken = false
    private var resets = false
    private var isEnding = false
    /// Nothing more will come from the socket.
    var isAtEnd = false
    /// The negative errno of the socket's last fault.
    var fault = 0
    /// The last read of the socket emptied it.
    var isSocketDrained = true
    /// Bytes of the record that is sealed and waits for the socket: writing goes on with as many.
    private var sealed = 0
    /// Bytes that went out with such a record before the caller offered them again.
    private var ahead = 0
    /// Reading has to send something first (a key update, a late ticket).
    private var readingWaitsForRoom = false

    /// What one record holds.
    private static let recordBytes = 16 << 10

    package init(_ server: TLSServer, _ socket: consuming Socket, _ records: RecordBuffer) throws(TLSError) {
        guard let method = SocketBIO.method, let bio = BIO_new(method) else { throw .taken("begin a TLS connection") }
        guard let ssl = SSL_new(server.context) else {
            BIO_free(bio)
            throw .taken("begin a TLS connection")
        }
        self.server = server
        self.socket = socket
        self.ssl = ssl
        self.records = records
        let this = Unmanaged.passUnretained(self).toOpaque()
        BIO_set_data(bio, this)
        BIO_set_init(bio, 1)
        SSL_set_bio(ssl, bio, bio)
        SSL_set_ex_data(ssl, 0, this)
        SSL_set_accept_state(ssl)
    }

    deinit { SSL_free(ssl) }

    // MARK: Handshake

    package enum Progress: Sendable {
        case done
        /// The peer has to say or take something first.
        case again
        case failed(TLSError, isPlainHTTP: Bool)
    }

    package func handshake() -> Progress {
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            isEstablished = true
            return .done
        }
        let error = SSL_get_error(ssl, result)
        if error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE { return .again }
        isBroken = true
        let reason = TLSError.takeReason()
        return .failed(
            TLSError("agree with the client", reason: isAtEnd ? "it ended the connection" : reason.text),
            isPlainHTTP: reason.number == SSL_R_HTTP_REQUEST)
    }

    /// The name in ALPN of what the client chose to speak; nil when it did not say.
    package var negotiated: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        return name.map { String(decoding: UnsafeBufferPointer(start: $0, count: Int(count)), as: UTF8.self) }
    }

    package var isResumed: Bool { SSL_session_reused(ssl) == 1 }

    /// Says something in the clear, to a client that does.
    package func sendPlain(_ text: StaticString) {
        _ = socket.send(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    // MARK: Reading

    /// Whether reading on may give bytes without the socket becoming readable first.
    package var mayHaveMore: Bool { !isSocketDrained || SSL_has_pending(ssl) == 1 }

    package func receive(into room: UnsafeMutableRawBufferPointer) -> Int {
        guard !isBroken else { return fault < 0 ? fault : -Int(ECONNRESET) }
        let count = SSL_read(ssl, room.baseAddress, Int32(clamping: room.count))
        if count > 0 { return Int(count) }
        switch SSL_get_error(ssl, count) {
        case SSL_ERROR_WANT_READ: return -Int(EAGAIN)
        case SSL_ERROR_WANT_WRITE:
            readingWaitsForRoom = true
            isSocketDrained = true
            return -Int(EAGAIN)
        case SSL_ERROR_ZERO_RETURN: return 0
        default: return broke()
        }
    }

    private func broke() -> Int {
        isBroken = true
        ERR_clear_error()
        if fault == 0 { fault = -Int(ECONNRESET) }
        return fault
    }

    /// The socket has room again. Whether reading may go on now too.
    package func noteWritable() -> Bool {
        if isEnding { endWriting() }
        defer { readingWaitsForRoom = false }
        return readingWaitsForRoom
    }

    // MARK: Writing

    /// Sends in records of up to 16 KB; what a call could not send has to be offered again, as every caller of a stream does.
    package func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard !isBroken else { return -Int(EPIPE) }
        var total = 0
        while total < bytes.count {
            let offered = bytes.count - total
            if ahead > 0 {
                let count = min(ahead, offered)
                ahead -= count
                total += count
                continue
            }
            let count = write(bytes.baseAddress.map { $0 + total }, offered)
            guard count > 0 else { return total > 0 ? total : count }
            total += count
        }
        return total
    }

    /// Writes one record, or goes on with the one that waits: OpenSSL wants to hear its length again, but looks at no byte of it.
    private func write(_ start: UnsafeRawPointer?, _ offered: Int) -> Int {
        let length = sealed > 0 ? sealed : min(offered, Self.recordBytes)
        let count = Int(SSL_write(ssl, start, Int32(length)))
        guard count > 0 else {
            switch SSL_get_error(ssl, Int32(count)) {
            case SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_READ:
                sealed = length
                return -Int(EAGAIN)
            default: return broke()
            }
        }
        sealed = 0
        ahead = max(0, count - offered)
        return min(count, offered)
    }

    /// Sends two pieces, in one record where they fit.
    package func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        guard !first.isEmpty, !second.isEmpty, first.count < Self.recordBytes else {
            let count = send(first)
            guard count == first.count, !second.isEmpty else { return count }
            return count + max(0, send(second))
        }
        let taken = min(second.count, Self.recordBytes - first.count)
        let count = records.joining(first, UnsafeRawBufferPointer(rebasing: second[..<taken])) { send($0) }
        guard count == first.count + taken, taken < second.count else { return count }
        return count + max(0, send(UnsafeRawBufferPointer(rebasing: second[taken...])))
    }

    // MARK: Ends

    /// Says close_notify, then ends our direction of the connection.
    package func endWriting() {
        guard isEstablished, !isBroken else { return socket.shutdownWrite() }
        isEnding = true
        let result = SSL_shutdown(ssl)
        if result < 0 {
            let error = SSL_get_error(ssl, result)
            if error == SSL_ERROR_WANT_WRITE { return }
            ERR_clear_error()
            isBroken = true
        }
        isEnding = false
        socket.shutdownWrite()
    }

    /// Closing will send a reset and no close_notify.
    package func resetOnClose() {
        resets = true
        socket.resetOnClose()
    }

    package func close() {
        if isEstablished, !isBroken, !resets, SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN == 0, SSL_shutdown(ssl) < 0 {
            ERR_clear_error()
        }
        isBroken = true
        socket.close()
    }
}
