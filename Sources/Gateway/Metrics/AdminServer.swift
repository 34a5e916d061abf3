import EventLoop
import Glibc
import HTTPFraming
import SidekickModel

/// Answers the operator, apart from the requests the gateway carries: `/healthz` and `/metrics`, one request per connection.
final class AdminServer: EventHandler {
    private let listener: Listener
    private let loop: EventLoop
    private let pool = BlockPool()
    private let metrics: () -> String
    private var registration: Registration?

    init(_ listener: Listener, loop: EventLoop, metrics: @escaping () -> String) throws(SystemError) {
        self.listener = listener
        self.loop = loop
        self.metrics = metrics
        registration = try loop.registerListener(listener.socket, self)
    }

    /// Answers nobody new: the listener is another's now.
    func stop() {
        guard let registration else { return }
        loop.unwatch(listener.socket)
        loop.forget(registration)
        self.registration = nil
    }

    func ready(_ readiness: Readiness) {
        // Running out of descriptors here is told by the loops that carry requests; the next connection tries again.
        while let socket = try? listener.socket.accept() { AdminConnection(socket, loop: loop, pool: pool, server: self).begin() }
    }

    fileprivate func answer(path: String) -> (status: String, type: String, body: String) {
        switch path {
        case "/healthz": ("200 OK", "text/plain; charset=utf-8", "ok\n")
        case "/metrics": ("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics())
        default: ("404 Not Found", "text/plain; charset=utf-8", "there are /healthz and /metrics\n")
        }
    }
}

private final class AdminConnection: EventHandler {
    /// For the whole exchange.
    private static let limit = Milliseconds.seconds(5)

    private var socket: Socket
    private let loop: EventLoop
    private let pool: BlockPool
    private let server: AdminServer
    private var registration: Registration?
    private var timer: TimerID?
    private var input = InputBuffer()
    private var output = ByteQueue()
    private var scanner = RequestScanner()
    private var isAnswered = false

    init(_ socket: consuming Socket, loop: EventLoop, pool: BlockPool, server: AdminServer) {
        self.socket = socket
        self.loop = loop
        self.pool = pool
        self.server = server
    }

    func begin() {
        registration = try? loop.register(socket, self)
        guard registration != nil else { return }
        timer = loop.schedule(at: loop.now + Self.limit, self)
    }

    func expired(_ tag: Int) {
        timer = nil
        close()
    }

    func ready(_ readiness: Readiness) {
        guard socket.isOpen else { return }
        if !isAnswered { read() }
        if isAnswered { write() }
    }

    private func read() {
        while !isAnswered {
            let count = socket.receive(into: input.room(pool))
            if count == -Int(EAGAIN) { return }
            guard count > 0 else { return close() }
            input.added(count)
            do throws(FramingError) {
                guard let head = try scanner.scan(input.bytes) else { continue }
                let path = head.path.of(input.bytes).prefix { $0 != 0x3F }
                answer(server.answer(path: String(decoding: path, as: UTF8.self)))
            } catch {
                answer(("\(error.status) Error", "text/plain; charset=utf-8", "\(error)\n"))
            }
        }
    }

    private func answer(_ answer: (status: String, type: String, body: String)) {
        isAnswered = true
        output.append(
            text: "HTTP/1.1 \(answer.status)\r\nContent-Type: \(answer.type)\r\nContent-Length: \(answer.body.utf8.count)\r\n"
                + "Connection: close\r\n\r\n")
        output.append(text: answer.body)
    }

    private func write() {
        while !output.isEmpty {
            let count = socket.send(output.bytes)
            if count == -Int(EAGAIN) { return }
            guard count > 0 else { return close() }
            output.consume(count)
        }
        close()
    }

    private func close() {
        if let registration { loop.forget(registration) }
        if let timer { loop.cancel(timer) }
        registration = nil
        timer = nil
        socket.close()
        input.discard(pool)
    }
}
