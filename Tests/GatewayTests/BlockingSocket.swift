import Glibc
import Synchronization

/// A plain blocking socket with a one minute limit on every wait, so that no test hangs.
final class BlockingSocket: Sendable {
    let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    private static func new(_ family: Int32) -> Int32 {
        socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        sockaddr_in(
            sin_family: sa_family_t(AF_INET), sin_port: port.bigEndian, sin_addr: in_addr(s_addr: UInt32(0x7F00_0001).bigEndian),
            sin_zero: (0, 0, 0, 0, 0, 0, 0, 0))
    }

    static func connect(port: UInt16, receiveBuffer: Int32? = nil) throws -> BlockingSocket {
        let result = BlockingSocket(new(AF_INET))
        if var size = receiveBuffer { setsockopt(result.descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4) }
        var address = loopback(port)
        let failed = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(result.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard failed == 0 else { throw TestFailure("connect to port \(port): errno \(errno)") }
        return result
    }

    static func listen(port: UInt16 = 0) throws -> BlockingSocket {
        let result = BlockingSocket(new(AF_INET))
        var yes: Int32 = 1
        setsockopt(result.descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        var address = loopback(port)
        let failed = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(result.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard failed == 0, Glibc.listen(result.descriptor, 128) == 0 else { throw TestFailure("listen: errno \(errno)") }
        result.waitForEver()
        return result
    }

    private static func unixAddress(_ path: String) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { for (index, byte) in path.utf8.enumerated() { $0[index] = byte } }
        return address
    }

    static func connect(unix path: String) throws -> BlockingSocket {
        let result = BlockingSocket(new(AF_UNIX))
        var address = unixAddress(path)
        let failed = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(result.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard failed == 0 else { throw TestFailure("connect to \(path): errno \(errno)") }
        return result
    }

    static func listen(unix path: String) throws -> BlockingSocket {
        let result = BlockingSocket(new(AF_UNIX))
        var address = unixAddress(path)
        let failed = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(result.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard failed == 0, Glibc.listen(result.descriptor, 16) == 0 else {
            throw TestFailure("listen on \(path): errno \(errno)")
        }
        result.waitForEver()
        return result
    }

    private func waitForEver() {
        var none = timeval()
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &none, socklen_t(MemoryLayout<timeval>.size))
    }

    var port: UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    func accept() -> BlockingSocket? {
        let accepted = Glibc.accept(descriptor, nil, nil)
        return accepted < 0 ? nil : BlockingSocket(accepted)
    }

    /// What is there, empty at the end, nil on an error or after one minutes of nothing.
    func read(limit: Int = 65536) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, 0)
        return count < 0 ? nil : Array(buffer.prefix(count))
    }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    func endWriting() { Glibc.shutdown(descriptor, Int32(SHUT_WR)) }
    func shutdown() { Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Closing sends a reset.
    func reset() {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }
}

/// Reads HTTP messages from a blocking socket with code of its own, not the scanner under test.
final class MessageReader {
    private let read: () -> [UInt8]?
    private var buffer: [UInt8] = []
    private(set) var atEnd = false

    init(_ socket: BlockingSocket) { read = { socket.read() } }
    /// `read` gives what is there, empty or nil at the end.
    init(read: @escaping () -> [UInt8]?) { self.read = read }

    struct Message {
        var firstLine = ""
        /// Names in lower case, in the order sent.
        var fields: [(name: String, value: String)] = []
        var body: [UInt8] = []
        /// The body's end was there.
        var isWhole = true

        subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
        var status: Int { Int(firstLine.split(separator: " ").dropFirst().first ?? "") ?? 0 }
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    private func more() -> Bool {
        guard let bytes = read(), !bytes.isEmpty else {
            atEnd = true
            return false
        }
        buffer += bytes
        return true
    }

    func take(_ count: Int) -> [UInt8]? {
        while buffer.count < count { guard more() else { return nil } }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    func line() -> String? {
        var searched = 0
        while true {
            if let end = buffer[searched...].firstIndex(of: 10) {
                defer { buffer.removeFirst(end + 1) }
                return String(decoding: buffer[..<end].filter { $0 != 13 }, as: UTF8.self)
            }
            searched = buffer.count
            guard more() else { return nil }
        }
    }

    func rest() -> [UInt8] {
        while more() {}
        defer { buffer = [] }
        return buffer
    }

    /// The next head; nil when the connection ends before one.
    func head() -> Message? {
        var message = Message()
        guard let first = line() else { return nil }
        message.firstLine = first
        while let line = line(), !line.isEmpty {
            let parts = line.split(separator: ":", maxSplits: 1)
            message.fields.append((parts[0].lowercased(), parts.count > 1 ? parts[1].drop { $0 == " " }.description : ""))
        }
        return message
    }

    /// The next message with its body. `untilClose` is how a response without length ends.
    func message(untilClose: Bool, noBody: Bool = false) -> Message? {
        guard var message = head() else { return nil }
        if noBody { return message }
        if message["transfer-encoding"] != nil {
            while let size = line().flatMap({ Int($0.prefix { $0 != ";" }, radix: 16) }) {
                if size == 0 {
                    while let trailer = line(), !trailer.isEmpty {
                        let parts = trailer.split(separator: ":", maxSplits: 1)
                        message.fields.append((parts[0].lowercased(), parts[1].drop { $0 == " " }.description))
                    }
                    return message
                }
                guard let data = take(size), take(2) != nil else { break }
                message.body += data
            }
            message.isWhole = false
        } else if let length = message["content-length"].flatMap({ Int($0) }) {
            if let body = take(length) {
                message.body = body
            } else {
                message.body = buffer
                message.isWhole = false
            }
        } else if untilClose {
            message.body = rest()
        }
        return message
    }
}
