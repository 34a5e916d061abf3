import EventLoop
import Glibc
import SidekickModel

/// A connection made of memory: what one stream of another protocol's session looks like to the code that speaks HTTP/1.1 on it.
///
/// A session (HTTP/2, say) makes a subclass per stream and hands it to `Worker.accepted` as a client's connection, or to an
/// `UpstreamConnection` as one to a replica. All bytes are those of HTTP/1.1: bodies without a length are chunked, trailers come behind the
/// last chunk, both directions are independent, and a response may begin before its request ends.
///
/// Readiness is told as by a socket, edge by edge, with `signal`: readable when there are bytes or the end where there were none, writable
/// when room came after a short `send`, `.broken` when the session or the peer gave the stream up. It must never be told from inside a
/// method the owner calls; `EventLoop.later` is the way out. All of it happens on one loop's thread.
class VirtualStream {
    /// Who is told; nil when nobody has the stream (any more).
    final var owner: (any EventHandler)?
    final let peer: SocketAddress?
    final let isSecure: Bool

    init(peer: SocketAddress?, isSecure: Bool) {
        self.peer = peer
        self.isSecure = isSecure
    }

    /// Our address on the connection that carries it.
    var local: SocketAddress? { nil }

    final func signal(_ readiness: Readiness) { owner?.ready(readiness) }

    /// Takes bytes from the peer: a count, 0 at the end, `-EAGAIN` when there are none now, `-ECONNRESET` when the rest will not come.
    /// Fewer than `room` says that there are no more at the moment.
    func receive(into room: UnsafeMutableRawBufferPointer) -> Int { -Int(ENOTCONN) }

    /// Takes bytes for the peer, all or as many as there is room for; `-EAGAIN` for none.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int { -Int(EPIPE) }

    /// The same with two pieces, the second after the whole of the first.
    func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        let count = send(first)
        guard count == first.count, !second.isEmpty else { return count }
        return count + max(0, send(second))
    }

    /// Nothing unread is there and the stream is not over.
    var isQuiet: Bool { false }

    /// The owner sends nothing more; what it sent still goes.
    func endWriting() {}

    /// `close` will come, and the peer must not take what it got for whole.
    func resetOnClose() {}

    /// The peer did not process what was sent: it may be sent again elsewhere, whatever it is.
    var wasRefused: Bool { false }

    /// The owner is done: what was sent still goes unless `resetOnClose` came before; what comes is of no interest.
    func close() {}
}
