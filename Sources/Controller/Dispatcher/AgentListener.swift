import Logging
import NIOCore
import NIOPosix
import SidekickModel
import Synchronization

/// Listens for agents and gives each connection its session.
struct AgentListener: Sendable {
    private let channel: any Channel

    /// Bytes that may wait for an agent to read them before its session is given up.
    private static let unreadLimit = 64 << 20

    /// - Throws: `ControllerError.refused` when the address cannot be listened on.
    init(
        address: String, timings: ControllerTimings, logs: LogRelay, logger: Logger,
        deliver: @escaping @Sendable (SessionEvent) -> Void
    ) async throws(ControllerError) {
        let (host, port) = try Self.parse(address)
        let sessions = SessionNumbers()
        do {
            channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.backlog, value: 4096)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.socketOption(.so_keepalive), value: 1)
                .childChannelOption(.writeBufferWaterMark, value: .init(low: Self.unreadLimit / 2, high: Self.unreadLimit))
                .childChannelInitializer { child in
                    child.eventLoop.makeCompletedFuture {
                        let session = AgentSession(id: sessions.next(), channel: child)
                        try child.pipeline.syncOperations.addHandler(
                            SessionHandler(session: session, timings: timings, logs: logs, logger: logger, deliver: deliver))
                    }
                }
                .bind(host: host, port: port).get()
        } catch {
            throw ControllerError(
                .refused, "cannot listen for agents at \(address): \(error); name another address with --agents or free this one")
        }
    }

    /// The port agents connect to.
    var port: Int { channel.localAddress?.port ?? 0 }

    func close() async { try? await channel.close().get() }

    private static func parse(_ address: String) throws(ControllerError) -> (String, Int) {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]),
            (0...65535).contains(port), colon > address.startIndex
        else { throw ControllerError(.refused, "‘\(address)’ is not an address such as 127.0.0.1:7070") }
        let host = address[..<colon].filter { $0 != "[" && $0 != "]" }
        return (String(host), port)
    }
}

/// Numbers sessions, each once.
private final class SessionNumbers: Sendable {
    private let last = Atomic<Int64>(0)

    func next() -> Int64 { last.add(1, ordering: .relaxed).newValue }
}
