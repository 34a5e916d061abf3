import AgentProtocol
import NIOCore
import NIOPosix
import SidekickModel

/// A gateway that says what the test tells it to, over the agent's real socket.
final class ScriptedGateway: Sendable {
    let orders = Inbox<GatewayOrder>()
    private let channel: any Channel

    init(group: any EventLoopGroup, socket: String) async throws {
        let orders = orders
        let (stream, sink) = AsyncStream.makeStream(of: GatewayOrder.self)
        Task { for await order in stream { await orders.add(order) } }
        channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FrameInbound { sink.yield(try GatewayOrder(frame: $0)) })
                }
            }.connect(unixDomainSocketPath: socket).get()
        try await send(.hello(version: "test", pid: 1))
    }

    func send(_ message: GatewayMessage) async throws {
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: message.frame()))
    }

    func held(_ service: String, inflight: Int = 1) async throws {
        var sample = LoadSample(service: service, seconds: 0.01)
        sample.inflight = inflight
        sample.queue = inflight
        try await send(.held(sample))
    }

    /// The next table of a service whose endpoints are as wanted.
    func endpoints(
        _ what: String, of service: String = "web", _ matches: @escaping @Sendable ([GatewayEndpoint]) -> Bool
    ) async throws -> [GatewayEndpoint] {
        let order = try await orders.next(what) { order in
            switch order {
            case .sync(let services): services.contains { $0.route.service == service && matches($0.endpoints) }
            case .service(let changed): changed.route.service == service && matches(changed.endpoints)
            case .removeService, .peering: false
            }
        }
        switch order {
        case .sync(let services): return services.first { $0.route.service == service }?.endpoints ?? []
        case .service(let changed): return changed.endpoints
        case .removeService, .peering: return []
        }
    }

    func stop() async throws { try await channel.close() }
}
