import Foundation
import Glibc
import Synchronization

/// A client that says exactly what it is told to.
final class TestClient {
    let socket: BlockingSocket
    let reader: MessageReader

    init(port: UInt16, receiveBuffer: Int32? = nil) throws {
        socket = try BlockingSocket.connect(port: port, receiveBuffer: receiveBuffer)
        reader = MessageReader(socket)
    }

    func send(_ text: String) { socket.write(Array(text.utf8)) }

    func get(_ path: String = "/", host: String = "a", fields: String = "") throws -> MessageReader.Message {
        send("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\(fields)\r\n")
        return try response()
    }

    func response(toHead: Bool = false) throws -> MessageReader.Message {
        guard let message = reader.message(untilClose: true, noBody: toHead) else { throw TestFailure("no response") }
        return message
    }

    /// Whether the gateway ended the connection and sent nothing more.
    var isClosed: Bool { reader.take(1) == nil }
}

/// A server that does with each request what the test says, one thread per connection.
final class TestReplica: Sendable {
    typealias Handler = @Sendable (MessageReader.Message, Connection) -> Bool

    /// What a handler may do with the connection; it returns whether the connection is kept.
    final class Connection {
        let replica: TestReplica
        let socket: BlockingSocket
        let reader: MessageReader

        init(_ replica: TestReplica, _ socket: BlockingSocket) {
            self.replica = replica
            self.socket = socket
            reader = MessageReader(socket)
        }

        func send(_ text: String) { socket.write(Array(text.utf8)) }
    }

    struct Counts {
        var connections = 0
        var requests = 0
        var now = 0
        var most = 0
    }

    let number: Int64
    let port: UInt16
    private let listener: BlockingSocket
    private let counts = Mutex(Counts())
    private let open = Mutex<[ObjectIdentifier: BlockingSocket]>([:])

    /// Answers 200 with its number, the method and the path unless told otherwise.
    init(_ number: Int64 = 1, readsBody: Bool = true, handler: Handler? = nil) throws {
        self.number = number
        let listener = try BlockingSocket.listen()
        self.listener = listener
        port = listener.port
        Thread.detachNewThread { [weak self] in
            while let socket = listener.accept() {
                guard let self else { return }
                counts.withLock { $0.connections += 1 }
                open.withLock { $0[ObjectIdentifier(socket)] = socket }
                Thread.detachNewThread { self.serve(socket, readsBody, handler ?? Self.answer) }
            }
        }
    }

    static func answer(_ request: MessageReader.Message, _ connection: Connection) -> Bool {
        let text = "\(connection.replica.number) \(request.firstLine.dropLast(9)) \(request.body.count)"
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
        return true
    }

    private func serve(_ socket: BlockingSocket, _ readsBody: Bool, _ handler: Handler) {
        let connection = Connection(self, socket)
        var timeout = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        while let request = readsBody ? connection.reader.message(untilClose: false) : connection.reader.head() {
            counts.withLock { $0.requests += 1 }
            if !handler(request, connection) { break }
        }
        open.withLock { $0[ObjectIdentifier(socket)] = nil }
        socket.shutdown()
    }

    /// Counts how many are in `body` at once. What a handler does after it, the answer above all, lets the next request in.
    func busy(_ body: () -> Void) {
        counts.withLock { counts in
            counts.now += 1
            counts.most = max(counts.most, counts.now)
        }
        body()
        counts.withLock { $0.now -= 1 }
    }

    var seen: Counts { counts.withLock { $0 } }

    /// Stops listening and cuts every connection, as a killed process does.
    func kill() {
        listener.shutdown()
        for socket in open.withLock({ $0 }).values { socket.shutdown() }
    }

    deinit { kill() }
}

/// A gate threads wait at until it is opened.
final class Gate: Sendable {
    private let mailbox = Mailbox<Void>()
    func pass() throws { try mailbox.take() }
    func open(_ times: Int = 1) { for _ in 0..<times { mailbox.put(()) } }
}
