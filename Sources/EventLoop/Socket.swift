import Glibc
import LinuxShims
package import SidekickModel

/// One non-blocking, close-on-exec stream socket and the only owner of its descriptor: it closes when closed or destroyed.
///
/// Reading and writing return a count, or the negative errno (`-EAGAIN` when nothing can move now): these are the hot path and
/// `EAGAIN` is no error there.
package struct Socket: ~Copyable {
    /// The descriptor, -1 once closed.
    package private(set) var descriptor: Int32
    /// Of one that was accepted, which says so for nothing.
    private let accepted: SocketAddress?

    private init(owning descriptor: Int32, from accepted: SocketAddress? = nil) {
        self.descriptor = descriptor
        self.accepted = accepted
    }

    deinit { if descriptor >= 0 { _ = sk_close(descriptor) } }

    package var isOpen: Bool { descriptor >= 0 }

    package mutating func close() {
        guard descriptor >= 0 else { return }
        _ = sk_close(descriptor)
        descriptor = -1
    }

    /// A listening socket.
    ///
    /// TCP sockets reuse an address in TIME_WAIT; with `shared` several may listen on one address and the kernel spreads the
    /// connections (`SO_REUSEPORT`). The file of a Unix socket must not exist.
    package static func listening(on address: SocketAddress, backlog: Int32, shared: Bool = false) throws(SystemError) -> Socket {
        let socket = Socket(owning: try SystemError.check(sk_socket(address.family), "make a socket for", "\(address)"))
        if address.family != AF_UNIX {
            try socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
            if shared { try socket.set(SOL_SOCKET, SO_REUSEPORT, 1) }
            try socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        }
        if address.family == AF_INET6 { try socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        let bound = address.withSystemAddress { sk_bind(socket.descriptor, $0, $1) }
        _ = try SystemError.check(bound, "listen on", "\(address)")
        _ = try SystemError.check(sk_listen(socket.descriptor, backlog), "listen on", "\(address)")
        return socket
    }

    /// A listening socket that came from another process and belongs to this one now.
    package static func inherited(_ descriptor: Int32) -> Socket { Socket(owning: descriptor) }

    /// A socket connecting to `address`. It is connected when it becomes writable and `takeError()` is 0.
    package static func connecting(to address: SocketAddress) throws(SystemError) -> Socket {
        let socket = Socket(owning: try SystemError.check(sk_socket(address.family), "make a socket for", "\(address)"))
        if address.family != AF_UNIX { try socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        let result = address.withSystemAddress { sk_connect(socket.descriptor, $0, $1) }
        if result != -EINPROGRESS { _ = try SystemError.check(result, "connect to", "\(address)") }
        return socket
    }

    /// The next connection waiting, nil when there is none. Accepted sockets inherit the listener's TCP_NODELAY.
    package borrowing func accept() throws(SystemError) -> Socket? {
        var peer = sockaddr_storage()
        while true {
            let result = sk_accept(descriptor, &peer)
            switch result {
            case 0...: return Socket(owning: result, from: SocketAddress(system: peer))
            case -EAGAIN: return nil
            case -EINTR, -ECONNABORTED, -EPROTO, -ENETDOWN, -EHOSTDOWN, -EHOSTUNREACH, -ENETUNREACH: continue
            default: throw SystemError(operation: "accept on", object: "descriptor \(descriptor)", number: -result)
            }
        }
    }

    /// Has the kernel break the connection when the peer's machine acknowledges nothing for this long, with bytes on the way or, after a
    /// second of silence, when it is asked whether it is there. Connects are not bounded by it.
    package borrowing func breakWhenPeerIsGone(after limit: Milliseconds) throws(SystemError) {
        try set(SOL_SOCKET, SO_KEEPALIVE, 1)
        try set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 1)
        try set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 1)
        try set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, Int32(clamping: limit.count))
    }

    private borrowing func set(_ level: Int32, _ name: Int32, _ value: Int32) throws(SystemError) {
        _ = try SystemError.check(sk_set_option(descriptor, level, name, value), "set option \(name) of", "a socket")
    }

    package borrowing func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = sk_receive(descriptor, buffer.baseAddress, buffer.count)
            if count != -Int(EINTR) { return count }
        }
    }

    package borrowing func send(_ bytes: UnsafeRawBufferPointer, more: Bool = false) -> Int {
        while true {
            let count = sk_send(descriptor, bytes.baseAddress, bytes.count, more ? 1 : 0)
            if count != -Int(EINTR) { return count }
        }
    }

    /// Sends two pieces with one system call.
    package borrowing func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        while true {
            let count = sk_send2(descriptor, first.baseAddress, first.count, second.baseAddress, second.count)
            if count != -Int(EINTR) { return count }
        }
    }

    /// Whether the peer has sent nothing and has not closed: true for a pooled connection that may be used again.
    package borrowing func isQuiet() -> Bool {
        var byte: UInt8 = 0
        return sk_peek(descriptor, &byte, 1) == -Int(EAGAIN)
    }

    /// 0, or the negative errno a failed connect left.
    package borrowing func takeError() -> Int32 { sk_socket_error(descriptor) }

    /// Bytes that were sent and that the peer has not acknowledged; nil when that cannot be known.
    package borrowing func unacknowledged() -> Int? {
        let count = sk_unacknowledged(descriptor)
        return count < 0 ? nil : Int(count)
    }

    package borrowing func shutdownWrite() { _ = sk_shutdown_write(descriptor) }

    /// Closing will send a reset, so that the peer cannot take a cut answer for a whole one.
    package borrowing func resetOnClose() { _ = sk_set_reset_on_close(descriptor) }

    package borrowing func localAddress() -> SocketAddress? {
        var storage = sockaddr_storage()
        return sk_local_address(descriptor, &storage) < 0 ? nil : SocketAddress(system: storage)
    }

    package borrowing func peerAddress() -> SocketAddress? {
        if let accepted { return accepted }
        var storage = sockaddr_storage()
        return sk_peer_address(descriptor, &storage) < 0 ? nil : SocketAddress(system: storage)
    }
}
