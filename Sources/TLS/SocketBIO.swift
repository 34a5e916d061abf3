import COpenSSL
import EventLoop
import Glibc

/// What OpenSSL reads and writes through: the session's socket. Its own kind would do too, but not tell whether a read emptied the socket,
/// which saves a system call per request.
enum SocketBIO {
    private static let allFlags = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY

    /// Never changed after it is made.
    nonisolated(unsafe) static let method: OpaquePointer? = {
        let kind = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
        guard let method = BIO_meth_new(kind, "sidekick socket") else { return nil }
        BIO_meth_set_read(method) { bio, bytes, count in
            guard let session = session(bio), let bytes else { return -1 }
            BIO_clear_flags(bio, allFlags)
            let received = session.socket.receive(into: UnsafeMutableRawBufferPointer(start: bytes, count: Int(count)))
            session.isSocketDrained = received < Int(count)
            if received == 0 { session.isAtEnd = true }
            return note(received, bio, BIO_FLAGS_READ, session)
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let session = session(bio), let bytes else { return -1 }
            BIO_clear_flags(bio, allFlags)
            return note(
                session.socket.send(UnsafeRawBufferPointer(start: bytes, count: Int(count))), bio, BIO_FLAGS_WRITE, session)
        }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_FLUSH: 1
            case BIO_CTRL_EOF: session(bio)?.isAtEnd == true ? 1 : 0
            default: 0
            }
        }
        return method
    }()

    private static func session(_ bio: OpaquePointer?) -> TLSSession? {
        BIO_get_data(bio).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
    }

    private static func note(_ count: Int, _ bio: OpaquePointer?, _ direction: Int32, _ session: TLSSession) -> Int32 {
        if count >= 0 { return Int32(truncatingIfNeeded: count) }
        if count == -Int(EAGAIN) {
            BIO_set_flags(bio, direction | BIO_FLAGS_SHOULD_RETRY)
        } else {
            session.fault = count
        }
        return -1
    }
}
