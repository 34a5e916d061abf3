import EventLoop
import Glibc
import LoadGenerator
import SidekickModel

/// One request on a fresh connection, on a thread of its own: what a client sees that was not here before.
struct OneRequest: Sendable {
    let address: SocketAddress
    let host: String
    let path: String

    init(url: String) throws {
        do {
            let plan = try LoadPlan(url: url)
            (address, host, path) = (plan.address, plan.host, plan.target)
        } catch {
            throw CommandFailure(.refused, "\(error)")
        }
    }

    /// Milliseconds from connecting to the last byte of a 2xx answer.
    func measure() async throws -> Double {
        try await withCheckedThrowingContinuation { continuation in
            DedicatedThread.start { continuation.resume(with: Result { try measureBlocking(retryRefusedFor: 0) }) }
        }
    }

    /// The same on the calling thread; a refused connection is tried again until `seconds` are over.
    func measureBlocking(retryRefusedFor seconds: Double) throws -> Double {
        let start = ContinuousClock.now
        while true {
            do {
                var socket = try Socket.connecting(to: address)
                defer { socket.close() }
                try wait(socket, Int16(POLLOUT), "connecting to")
                let number = socket.takeError()
                guard number == 0 else { throw SystemError(operation: "connect to", object: host, number: -number) }
                try exchange(socket)
                return (ContinuousClock.now - start) / .milliseconds(1)
            } catch let error as SystemError {
                guard error.number == ECONNREFUSED, ContinuousClock.now - start < .seconds(seconds) else {
                    throw CommandFailure(.failed, "\(error)")
                }
                usleep(100)
            }
        }
    }

    private func exchange(_ socket: borrowing Socket) throws {
        let request = Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8)
        guard request.withUnsafeBytes({ socket.send($0) }) == request.count else {
            throw CommandFailure(.failed, "sending to \(host): \(String(cString: strerror(errno)))")
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            try wait(socket, Int16(POLLIN), "waiting for")
            let count = buffer.withUnsafeMutableBytes { socket.receive(into: $0) }
            if count == 0 { break }
            if count == -Int(EAGAIN) { continue }
            if count < 0 { throw CommandFailure(.failed, "reading from \(host): \(SystemError.text(Int32(-count)))") }
            answer += buffer[..<count]
        }
        let line = String(decoding: answer.prefix { $0 != 13 }, as: UTF8.self)
        guard line.hasPrefix("HTTP/1.1 2") else { throw CommandFailure(.failed, "\(host)\(path) answered ‘\(line)’") }
    }

    private func wait(_ socket: borrowing Socket, _ events: Int16, _ what: String) throws {
        var entry = pollfd(fd: socket.descriptor, events: events, revents: 0)
        guard poll(&entry, 1, 30_000) == 1 else { throw CommandFailure(.failed, "\(what) \(host): no answer within 30 s") }
    }
}

/// The service's program started directly on this host.
struct OwnStart: Sendable {
    let program: String
    let variables: [String: String]
    let path: String

    /// Milliseconds from starting the program to the last byte of its first answer.
    func measure() async throws -> Double {
        try await withCheckedThrowingContinuation { continuation in
            DedicatedThread.start { continuation.resume(with: Result { try measureBlocking() }) }
        }
    }

    private func measureBlocking() throws -> Double {
        var free = try Socket.listening(on: .ip4(0x7f00_0001, port: 0), backlog: 1)
        guard let port = free.localAddress()?.port else { throw CommandFailure(.failed, "no free port on loopback") }
        free.close()
        let request = try OneRequest(url: "http://127.0.0.1:\(port)\(path)")
        let words = variables.map { "\($0.key)=\($0.value)" } + ["PORT=\(port)"]
        let start = ContinuousClock.now
        let child = try ChildProcess(program: program, arguments: [], variables: words)
        defer {
            kill(child.pid, SIGKILL)
            child.wait()
            _ = child.reap()
        }
        _ = try request.measureBlocking(retryRefusedFor: 30)
        return (ContinuousClock.now - start) / .milliseconds(1)
    }
}
