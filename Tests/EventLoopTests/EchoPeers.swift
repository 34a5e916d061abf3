import EventLoop
import Glibc
import Testing

/// Accepts one connection and sends back what it gets.
final class EchoListener: EventHandler {
    let loop: EventLoop
    let socket: Socket
    let address: SocketAddress
    private var connection: EchoConnection?

    init(loop: EventLoop, address: SocketAddress) throws {
        self.loop = loop
        socket = try Socket.listening(on: address, backlog: 16)
        self.address = socket.localAddress() ?? address
        _ = try loop.registerListener(socket, self)
    }

    func ready(_ readiness: Readiness) {
        do {
            while let accepted = try socket.accept() { connection = try EchoConnection(loop: loop, socket: accepted) }
        } catch {
            Issue.record("\(error)")
        }
    }
}

final class EchoConnection: EventHandler {
    private var socket: Socket
    private var pending: [UInt8] = []

    init(loop: EventLoop, socket: consuming Socket) throws {
        self.socket = socket
        _ = try loop.register(self.socket, self)
    }

    func ready(_ readiness: Readiness) {
        while true {
            let (count, bytes) = receiveSome(socket)
            if count > 0 { pending += bytes }
            while !pending.isEmpty {
                let sent = pending.withUnsafeBytes { socket.send($0) }
                if sent <= 0 { break }
                pending.removeFirst(sent)
            }
            if count == 0 {
                socket.close()
                return
            }
            if count < 0 { return }
        }
    }
}

/// Sends a message, and reports what came back once it has as many bytes.
final class Client: EventHandler {
    private var socket: Socket
    private var unsent: ArraySlice<UInt8>
    private var received: [UInt8] = []
    private let wanted: Int
    private let done: ([UInt8]) -> Void

    @discardableResult
    init(loop: EventLoop, to address: SocketAddress, message: [UInt8], done: @escaping ([UInt8]) -> Void) throws {
        socket = try Socket.connecting(to: address)
        unsent = message[...]
        wanted = message.count
        self.done = done
        _ = try loop.register(socket, self)
    }

    func ready(_ readiness: Readiness) {
        guard socket.isOpen else { return }
        while !unsent.isEmpty {
            let sent = unsent.withUnsafeBytes { socket.send($0) }
            if sent <= 0 { break }
            unsent.removeFirst(sent)
        }
        while true {
            let (count, bytes) = receiveSome(socket)
            if count <= 0 { break }
            received += bytes
        }
        if received.count >= wanted {
            socket.close()
            done(received)
        }
    }
}

/// Two connected pairs that become readable in the same turn; the handler called first ends the other one.
final class MutualEnders {
    final class End: EventHandler {
        var socket: Socket
        var registration: Registration?
        let owner: MutualEnders
        init(_ socket: consuming Socket, owner: MutualEnders) {
            self.socket = socket
            self.owner = owner
        }
        func ready(_ readiness: Readiness) {
            let (count, _) = receiveSome(socket)
            if count > 0 { owner.heard(self) }
        }
    }

    var finish: (Int) -> Void = { _ in }
    private let loop: EventLoop
    private var ends: [End] = []
    private var heardCount = 0

    init(loop: EventLoop) throws {
        self.loop = loop
        var listener = try Socket.listening(on: .ip4(0x7F00_0001, port: 0), backlog: 4)
        guard let address = listener.localAddress() else { return }
        for _ in 0..<2 {
            let client = try Socket.connecting(to: address)
            var accepted = try listener.accept()
            while accepted == nil { accepted = try listener.accept() }
            guard let server = accepted.take() else { continue }
            let end = End(server, owner: self)
            end.registration = try loop.register(end.socket, end)
            ends.append(end)
            _ = [UInt8(1)].withUnsafeBytes { client.send($0) }
        }
        listener.close()
    }

    func heard(_ end: End) {
        heardCount += 1
        for other in ends where other !== end {
            if let registration = other.registration { loop.forget(registration) }
            other.socket.close()
        }
        let loop = loop
        loop.later { loop.later { self.finish(self.heardCount - 1) } }
    }
}

func receiveSome(_ socket: borrowing Socket) -> (Int, ArraySlice<UInt8>) {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = buffer.withUnsafeMutableBytes { socket.receive(into: $0) }
    return (count, buffer.prefix(max(0, count)))
}
