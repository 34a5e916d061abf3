import Glibc
import LinuxShims
import Synchronization

/// Answers containers' questions for names at the gateway's address, over UDP and TCP.
///
/// A container's only resolver, so that names of services need no line in any hosts file and the host's resolvers may be ones that only
/// the host reaches. Stateless but for questions under way: after a restart whoever asked asks again.
package final class NameServer: Sendable {
    private let zone: NameZone
    private let resolvers: @Sendable () -> [IPv4Address]
    private let datagrams: Int32
    private let connections: Int32
    private let questions: Int32
    private let wake: (read: Int32, write: Int32)
    private let isClosed = Mutex(false)

    /// Listens at the address's port 53 in the calling thread's network namespace.
    ///
    /// - Parameter resolvers: where other questions go, asked for each of them; the first three are taken.
    package init(
        address: IPv4Address, resolvers: @autoclosure @escaping @Sendable () -> [IPv4Address]
    ) throws(ContainerError) {
        zone = NameZone(address: address)
        self.resolvers = { Array(resolvers().prefix(3)) }
        var open: [Int32] = []
        func made(_ descriptor: Int32, _ what: String) throws(ContainerError) -> Int32 {
            guard descriptor >= 0 else {
                let cause = errorText(errno)
                for descriptor in open { close(descriptor) }
                throw ContainerError(.resourceMissing, "cannot answer names at \(address): \(what)", cause: cause)
            }
            return descriptor
        }
        func socket(_ type: __socket_type, bound: Bool) throws(ContainerError) -> Int32 {
            let descriptor = try made(Glibc.socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0), "socket")
            open.append(descriptor)
            guard bound else { return descriptor }
            var on: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            _ = try made(withAddress(address, 53) { bind(descriptor, $0, $1) }, "port 53 cannot be bound")
            return descriptor
        }
        datagrams = try socket(SOCK_DGRAM, bound: true)
        connections = try socket(SOCK_STREAM, bound: true)
        _ = try made(listen(connections, 64), "port 53 cannot be listened at")
        questions = try socket(SOCK_DGRAM, bound: false)
        var ends: [Int32] = [-1, -1]
        _ = try made(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends), "socketpair")
        wake = (ends[0], ends[1])
    }

    deinit {
        closePort()
        for descriptor in [questions, wake.read, wake.write] { close(descriptor) }
    }

    private func closePort() {
        isClosed.withLock { isClosed in
            if !isClosed { for descriptor in [datagrams, connections] { close(descriptor) } }
            isClosed = true
        }
    }

    /// Makes `run` return.
    package func stop() {
        shutdown(wake.write, Int32(SHUT_RDWR))
    }

    /// Serves until `stop`, once, on the calling thread; the port is free when it returns. Connections are few (an answer that is too long for a datagram) and each gets work of
    /// its own through `submit`.
    package func run(submit: (@escaping @Sendable () -> Void) -> Void) {
        defer { closePort() }
        var pending = PendingQuestions<(IPv4Address, UInt16)>()
        var random = SystemRandomNumberGenerator()
        var asked: Set<IPv4Address> = []
        while true {
            var waiting = [datagrams, connections, questions, wake.read].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&waiting, nfds_t(waiting.count), -1) >= 0 || errno == EINTR else { return }
            if waiting[3].revents != 0 { return }
            if waiting[0].revents != 0, let (message, address, port) = receive(datagrams) {
                switch zone.answer(message) {
                case .reply(let reply): send(reply, datagrams, address, port)
                case .drop: break
                case .forward:
                    let resolvers = resolvers()
                    if resolvers.isEmpty, let reply = zone.failure(of: message) { send(reply, datagrams, address, port) }
                    asked = Set(resolvers)
                    let identity = UInt16.random(in: 0...UInt16.max, using: &random)
                    if let passed = pending.pass(message, of: (address, port), as: identity, now: milliseconds()) {
                        for resolver in resolvers { send(passed, questions, resolver, 53) }
                    }
                }
            }
            if waiting[2].revents != 0, let (answer, address, port) = receive(questions), port == 53, asked.contains(address),
                let (asker, reply) = pending.take(answer, now: milliseconds())
            {
                send(reply, datagrams, asker.0, asker.1)
            }
            if waiting[1].revents != 0 {
                let connection = accept(connections, nil, nil)
                if connection >= 0 { submit { [self] in serve(connection) } }
            }
        }
    }

    /// One question and its answer, with two seconds for each step.
    private func serve(_ connection: Int32) {
        defer { close(connection) }
        setDeadline(connection)
        guard let message = readMessage(connection) else { return }
        switch zone.answer(message) {
        case .reply(let reply): writeMessage(reply, connection)
        case .drop: return
        case .forward:
            for resolver in resolvers() {
                let onward = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
                guard onward >= 0 else { return }
                defer { close(onward) }
                setDeadline(onward)
                guard withAddress(resolver, 53, { connect(onward, $0, $1) }) == 0 else { continue }
                writeMessage(message, onward)
                guard let answer = readMessage(onward) else { continue }
                return writeMessage(answer, connection)
            }
            if let reply = zone.failure(of: message) { writeMessage(reply, connection) }
        }
    }

    private func receive(_ descriptor: Int32) -> ([UInt8], IPv4Address, UInt16)? {
        var from = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = withUnsafeMutablePointer(to: &from) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT), $0, &size)
            }
        }
        guard count > 0 else { return nil }
        return (
            Array(bytes[..<count]), IPv4Address(bits: UInt32(bigEndian: from.sin_addr.s_addr)), UInt16(bigEndian: from.sin_port)
        )
    }

    /// A datagram that cannot be sent is one that is lost: whoever waits for it asks again.
    private func send(_ message: [UInt8], _ descriptor: Int32, _ address: IPv4Address, _ port: UInt16) {
        _ = withAddress(address, port) { Int32(sendto(descriptor, message, message.count, Int32(MSG_DONTWAIT), $0, $1)) }
    }
}

/// The IPv4 resolvers of a `resolv.conf`'s text, in order.
package func resolverAddresses(_ text: String) -> [IPv4Address] {
    text.split(separator: "\n").compactMap { line in
        let words = line.split(whereSeparator: \.isWhitespace)
        return words.count >= 2 && words[0] == "nameserver" ? IPv4Address(words[1]) : nil
    }
}

private func withAddress(_ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = port.bigEndian
    place.sin_addr.s_addr = address.bits.bigEndian
    return withUnsafePointer(to: &place) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}

private func milliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}

private func setDeadline(_ descriptor: Int32) {
    var limit = timeval(tv_sec: 2, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
}

/// A message with its two bytes of length before it, nil when the connection ends or waits too long.
private func readMessage(_ descriptor: Int32) -> [UInt8]? {
    guard let head = readExactly(2, descriptor) else { return nil }
    return readExactly(Int(head.number(at: 0)), descriptor)
}

private func readExactly(_ count: Int, _ descriptor: Int32) -> [UInt8]? {
    var bytes: [UInt8] = []
    while bytes.count < count {
        var piece = [UInt8](repeating: 0, count: count - bytes.count)
        let got = recv(descriptor, &piece, piece.count, 0)
        if got <= 0 { return nil }
        bytes += piece[..<got]
    }
    return bytes
}

private func writeMessage(_ message: [UInt8], _ descriptor: Int32) {
    let bytes = [UInt8(message.count >> 8), UInt8(truncatingIfNeeded: message.count)] + message
    var sent = 0
    while sent < bytes.count {
        let count = bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
        }
        if count <= 0 { return }
        sent += count
    }
}
