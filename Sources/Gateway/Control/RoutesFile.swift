import AgentProtocol
import EventLoop
import Glibc
import SidekickModel

/// The last routing table, kept on disk so that a gateway can serve before, and without, the agent. It holds the frames the agent
/// would send: the routes first, then what peers know one another by.
struct RoutesFile {
    let path: String
    private let temporary: String

    init(directory: String) {
        path = "\(directory)/routes"
        temporary = "\(directory)/.routes.new"
    }

    /// nil when there is none.
    func load() throws -> (services: [GatewayService], peeringSecret: String)? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw SystemError(operation: "read", object: path, number: errno) }
        defer { close(descriptor) }
        var decoder = FrameDecoder(maximumFrameBytes: 256 << 20)
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw SystemError(operation: "read", object: path, number: errno) }
            if count == 0 { break }
            decoder.append(contentsOf: buffer[..<count])
        }
        guard let frame = try decoder.next(), case .sync(let services) = try GatewayOrder(frame: frame) else {
            throw SystemError(operation: "read routes from", object: path, number: EBADMSG)
        }
        var secret = ""
        if let frame = try decoder.next(), case .peering(let text) = try GatewayOrder(frame: frame) { secret = text }
        return (services, secret)
    }

    /// Replaces the file at once: a reader sees the old table or the new one, whole.
    func save(_ services: [GatewayService], peeringSecret: String) throws(SystemError) {
        let bytes = GatewayOrder.sync(services).frame() + GatewayOrder.peering(secret: peeringSecret).frame()
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError(operation: "write", object: temporary, number: errno) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written) }
            guard count > 0 else {
                let number = errno
                close(descriptor)
                throw SystemError(operation: "write", object: temporary, number: number)
            }
            written += count
        }
        guard fdatasync(descriptor) == 0, close(descriptor) == 0, rename(temporary, path) == 0 else {
            throw SystemError(operation: "save routes to", object: path, number: errno)
        }
    }
}
