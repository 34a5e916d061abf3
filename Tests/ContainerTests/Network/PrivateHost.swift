import Glibc
import LinuxShims
import Testing

/// A failed call of a test's own.
struct CallFailed: Error, CustomStringConvertible {
    var description: String
}

func check(_ result: Int32, _ what: String) throws -> Int32 {
    guard result >= 0 else {
        throw CallFailed(description: "\(what): \(String(cString: strerror(result < -1 ? -result : errno)))")
    }
    return result
}

/// A network namespace that lives as long as this.
final class Namespace: Sendable {
    let descriptor: Int32

    init() throws {
        descriptor = try check(sk_network_namespace_new(), "unshare")
    }

    deinit {
        close(descriptor)
    }

    /// Runs a body on a thread of its own inside the namespace.
    func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<T, any Error>) in
            onThread { [descriptor] in
                continuation.resume(
                    with: Result {
                        _ = try check(sk_network_namespace_enter(descriptor), "setns")
                        return try body()
                    })
            }
        }
    }

    /// Opens something (a socket) inside the namespace from a thread that is elsewhere, and comes back.
    func open<T>(_ body: () throws -> T) throws -> T {
        let own = try check(Glibc.open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open own namespace")
        defer { close(own) }
        _ = try check(sk_network_namespace_enter(descriptor), "setns")
        defer { precondition(sk_network_namespace_enter(own) == 0, "a thread cannot get back") }
        return try body()
    }
}

private final class Job: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Runs a body on a thread that ends after it.
func onThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let job = Unmanaged.passRetained(Job(body))
    let refused = pthread_create(
        &thread, nil,
        { context in
            guard let context else { return nil }
            Unmanaged<Job>.fromOpaque(context).takeRetainedValue().body()
            return nil
        }, job.toOpaque())
    precondition(refused == 0, "pthread_create: \(refused)")
    pthread_detach(thread)
}

/// Plain blocking TCP, with a deadline of two seconds on everything.
final class Socket: Sendable {
    let descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        close(descriptor)
    }

    static func listening(port: UInt16) throws -> Socket {
        let socket = Socket(descriptor: try check(Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), "socket"))
        var address = Socket.address("0.0.0.0", port)
        _ = try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(bind(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)), "bind")
            }
        }
        _ = try check(listen(socket.descriptor, 16), "listen")
        return socket
    }

    /// The port that the system chose.
    func port() throws -> UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(getsockname(descriptor, $0, &size), "getsockname")
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    static func connected(_ host: String, port: UInt16) throws -> Socket {
        let socket = Socket(descriptor: try check(Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), "socket"))
        var address = Socket.address(host, port)
        _ = try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)), "connect to \(host)")
            }
        }
        return socket
    }

    /// The next connection and its other end's address.
    func accept() throws -> (socket: Socket, peer: String) {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(Glibc.accept(self.descriptor, $0, &size), "accept")
            }
        }
        let bits = UInt32(bigEndian: address.sin_addr.s_addr)
        return (Socket(descriptor: descriptor), [24, 16, 8, 0].map { String(bits >> $0 & 255) }.joined(separator: "."))
    }

    static func address(_ host: String, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr(host)
        return address
    }
}
