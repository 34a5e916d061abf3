import EventLoop
import HTTP2Translation

/// One stream of an HTTP/2 session, as the connection that `ClientConnection` or `UpstreamConnection` has.
final class SessionStream: VirtualStream {
    private let stream: HTTP2Stream
    /// Sends what the stream has queued, once the loop has a moment.
    private var connection: SessionConnection?

    init(_ stream: HTTP2Stream, on connection: SessionConnection) {
        self.stream = stream
        self.connection = connection
        super.init(peer: connection.peer, isSecure: connection.isSecure)
        stream.user = self
    }

    override var local: SocketAddress? { connection?.local }

    func tell(_ news: HTTP2Stream.News) {
        if news.contains(.readable) { signal(.readable) }
        if news.contains(.writable) { signal(.writable) }
        if news.contains(.broken) { signal(.broken) }
    }

    override func receive(into room: UnsafeMutableRawBufferPointer) -> Int {
        let count = stream.receive(into: room)
        // Window was given back, or there is news of the end.
        if count > 0 { connection?.plan() }
        return count
    }

    override func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count = stream.send(bytes)
        connection?.plan()
        return count
    }

    override func endWriting() {
        stream.endWriting()
        connection?.plan()
    }

    override func resetOnClose() { stream.cutOnClose() }

    override func close() {
        stream.close()
        connection?.plan()
        connection = nil
    }

    override var wasRefused: Bool { stream.wasRefused }
}
