import AgentProtocol
import NIOCore
import NIOPosix
import SidekickModel
import Synchronization

/// A controller that says what the test tells it to, over real TCP.
final class ScriptedController: Sendable {
    let messages = Inbox<AgentMessage>()
    let observed = Inbox<ObservedReplica>()
    let sessions = Inbox<[ObservedReplica]>()
    private let listener: any Channel

    let port: Int

    init(group: any EventLoopGroup, port: Int = 0) async throws {
        let current = Current()
        let (messages, observed, sessions) = (messages, observed, sessions)
        let (stream, sink) = AsyncStream.makeStream(of: AgentMessage.self)
        Task {
            for await message in stream {
                await messages.add(message)
                switch message {
                case .hello(_, _, let replicas):
                    for replica in replicas { await observed.add(replica) }
                    await sessions.add(replicas)
                case .observed(let replicas): for replica in replicas { await observed.add(replica) }
                default: break
                }
            }
        }
        listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                current.set(channel)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        FrameInbound { sink.yield(try AgentMessage(frame: $0)) })
                }
            }.bind(host: "127.0.0.1", port: port).get()
        self.port = listener.localAddress?.port ?? 0
        currentHolder = current
    }

    private final class Current: Sendable {
        private let channel = Mutex<(any Channel)?>(nil)
        func set(_ new: any Channel) { channel.withLock { $0 = new } }
        func get() -> (any Channel)? { channel.withLock { $0 } }
    }
    private let currentHolder: Current

    func send(_ message: ControllerMessage) async throws {
        guard let channel = currentHolder.get() else { return }
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: message.frame()))
    }

    /// Waits for a hello and answers it.
    @discardableResult
    func sync(epoch: Int64 = 1, _ assignments: [Assignment], _ routes: [ServiceRoute]) async throws -> [ObservedReplica] {
        let observed = try await sessions.next("a hello") { _ in true }
        try await send(.sync(epoch: epoch, assignments: assignments, routes: routes))
        return observed
    }

    func cutSession() async throws { try await currentHolder.get()?.close() }

    func stop() async throws {
        try await listener.close()
        try? await currentHolder.get()?.close()
    }
}

/// Cuts bytes into frames for a test.
final class FrameInbound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var decoder = FrameDecoder()
    private let received: (Frame) throws -> Void

    init(received: @escaping (Frame) throws -> Void) { self.received = received }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(contentsOf: unwrapInboundIn(data).readableBytesView)
        do {
            while let frame = try decoder.next() { try received(frame) }
        } catch {
            context.fireErrorCaught(error)
            context.close(promise: nil)
        }
    }
}
