import EventLoop
import SidekickModel
import Synchronization

/// What the server does with one request.
struct Reply: Sendable {
    enum After: Sendable { case keep, close, reset }

    var text = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"version\":\"1\"}\n"
    var delay = Milliseconds(0)
    var after = After.keep
}

/// A real server on a loopback port that does to each request what a script says.
final class ScriptedServer: Sendable {
    let thread: LoopThread
    let address: SocketAddress
    let script: @Sendable (Int) -> Reply
    private let seen = Mutex<[String]>([])

    /// - Parameter script: gets the number of the request, from 0, in the order they arrive.
    init(_ script: @escaping @Sendable (Int) -> Reply) throws {
        self.script = script
        thread = try LoopThread(name: "scripted")
        let listener = try Listener(Socket.listening(on: .ip4(0x7F00_0001, port: 0), backlog: 512))
        address = listener.address
        thread.loop.submit { [self] in listener.start(self) }
    }

    var url: String { "http://\(address)/path?x=1" }
    /// Heads of all requests, in the order they arrived.
    var requests: [String] { seen.withLock { $0 } }

    func stop() async { await thread.stop() }

    fileprivate func note(_ head: String) -> Int {
        seen.withLock {
            $0.append(head)
            return $0.count - 1
        }
    }
}

/// Sendable without the compiler's check: made on one thread, then handed to the loop's thread for good.
private final class Listener: EventHandler, @unchecked Sendable {
    let socket: Socket
    let address: SocketAddress
    private weak var server: ScriptedServer?

    init(_ socket: consuming Socket) throws {
        guard let address = socket.localAddress() else { throw LostAddress() }
        self.socket = socket
        self.address = address
    }

    struct LostAddress: Error {}

    func start(_ server: ScriptedServer) {
        self.server = server
        _ = try? server.thread.loop.registerListener(socket, self)
    }

    func ready(_ readiness: Readiness) {
        while let server, let socket = try? socket.accept() { Peer(socket, server).start() }
    }
}

private final class Peer: EventHandler {
    private var socket: Socket
    private let server: ScriptedServer
    private var registration: Registration?
    private var input: [UInt8] = []
    private var reply = Reply()

    init(_ socket: consuming Socket, _ server: ScriptedServer) {
        self.socket = socket
        self.server = server
    }

    func start() { registration = try? server.thread.loop.register(socket, self) }

    func ready(_ readiness: Readiness) {
        guard socket.isOpen else { return }
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            while true {
                let count = socket.receive(into: buffer)
                if count > 0 { input.append(contentsOf: buffer[..<count]) }
                if count == 0 { return end() }
                guard count > 0 else { break }
            }
        }
        guard let end = input.indices.first(where: { input[$0...].starts(with: Array("\r\n\r\n".utf8)) }) else { return }
        let number = server.note(String(decoding: input[..<end], as: UTF8.self))
        input = []
        reply = server.script(number)
        if reply.delay.count > 0 {
            _ = server.thread.loop.schedule(at: server.thread.loop.now + reply.delay, self)
        } else {
            answer()
        }
    }

    func expired(_ tag: Int) { if socket.isOpen { answer() } }

    private func answer() {
        _ = Array(reply.text.utf8).withUnsafeBytes { socket.send($0) }
        if case .reset = reply.after { socket.resetOnClose() }
        if case .keep = reply.after { return }
        end()
    }

    private func end() {
        if let registration { server.thread.loop.forget(registration) }
        socket.close()
    }
}
