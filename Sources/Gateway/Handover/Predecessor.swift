import EventLoop
import Glibc
import LinuxShims
import Logging
import Synchronization

/// The gateway that runs on the same state directory already: it lends its listeners, and goes when told that they are served.
///
/// Its listeners come as lines `KIND ADDRESS`, each with the descriptor of the same place; any byte in answer tells it to go. Used while a
/// gateway starts, and waits for at most `patience`.
final class Predecessor: Sendable {
    private struct Lent {
        var kind: Listener.Kind
        var address: SocketAddress
        var descriptor: Int32
    }

    private static let patience: Int32 = 2000

    private let connection: Int32
    private let lent: Mutex<[Lent]>
    private let log: Logger

    static func socketPath(_ directory: String) -> String { "\(directory)/takeover.sock" }

    /// nil when no other gateway answers in the directory.
    init?(directory: String, log: Logger) {
        self.log = log
        guard let socket = Self.connect(Self.socketPath(directory)) else { return nil }
        connection = socket
        guard let lent = Self.receive(socket) else {
            log.warning("the gateway of before gives no listeners up; it has to be stopped first")
            _ = sk_close(socket)
            return nil
        }
        self.lent = Mutex(lent)
        log.notice("taking over from the gateway of before", metadata: ["listeners": "\(lent.count)"])
    }

    deinit {
        for one in lent.withLock({ $0 }) { _ = sk_close(one.descriptor) }
        _ = sk_close(connection)
    }

    /// The listener for an address, if there was one.
    func take(_ kind: Listener.Kind, _ address: SocketAddress) -> Listener? {
        lent.withLock { lent in
            guard let index = lent.firstIndex(where: { $0.kind == kind && $0.address == address }) else { return nil }
            return Listener(inherited: lent.remove(at: index).descriptor, address: address, kind: kind)
        }
    }

    /// Tells it that this gateway serves.
    func end() {
        var byte: UInt8 = 1
        _ = sk_send(connection, &byte, 1, 0)
    }

    private static func connect(_ path: String) -> Int32? {
        guard access(path, F_OK) == 0 else { return nil }
        let descriptor = sk_socket(AF_UNIX)
        guard descriptor >= 0 else { return nil }
        guard let address = SocketAddress(text: path), address.connect(descriptor) == 0 else {
            _ = sk_close(descriptor)
            return nil
        }
        return descriptor
    }

    private static func receive(_ socket: Int32) -> [Lent]? {
        guard sk_wait_readable(socket, -1, patience) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        var descriptors = [Int32](repeating: -1, count: 64)
        var count: Int32 = 0
        let length = sk_receive_descriptors(socket, &bytes, bytes.count, &descriptors, &count)
        guard length > 0 else { return nil }
        let lines = String(decoding: bytes[..<length], as: UTF8.self).split(separator: "\n")
        var lent: [Lent] = []
        for (index, descriptor) in descriptors.prefix(Int(count)).enumerated() {
            let words = index < lines.count ? lines[index].split(separator: " ", maxSplits: 1) : []
            if words.count == 2, let kind = Listener.Kind(rawValue: String(words[0])),
                let address = SocketAddress(text: String(words[1]))
            {
                lent.append(Lent(kind: kind, address: address, descriptor: descriptor))
            } else {
                // A kind this version does not know.
                _ = sk_close(descriptor)
            }
        }
        return lent
    }
}
