import ContainerCore
import NIOCore
import NIOPosix
import SidekickModel

/// Containers that are listeners of this process, each on a loopback address of its own, with configurable misbehaviour.
actor FakeRuntime: ContainerRuntime {
    struct Behaviour: Sendable {
        /// From start to listening.
        var bootDelay = Duration.zero
        /// Ends with this code instead of listening.
        var exitCode: Int32?
        var failPrepare = false
        var ignoresTerm = false
    }

    private struct Container {
        var configuration: ContainerConfiguration
        var status: ContainerStatus
        var listener: (any Channel)?
    }

    private let group: any EventLoopGroup
    private let port: Int
    /// Second and third number of the addresses given out.
    private let subnet: Int
    private var containers: [String: Container] = [:]
    private var continuations: [AsyncStream<(id: String, exit: ContainerExit)>.Continuation] = []
    private var lastPID: Int32 = 1000
    private(set) var calls: [String] = []
    var behaviour = Behaviour()

    init(group: any EventLoopGroup, port: Int, subnet: Int) {
        self.group = group
        self.port = port
        self.subnet = subnet
    }

    func behave(_ change: @Sendable (inout Behaviour) -> Void) { change(&behaviour) }

    func recover() async throws(ContainerError) -> [ContainerStatus] {
        calls.append("recover")
        return list()
    }

    func list() -> [ContainerStatus] { containers.values.map(\.status) }

    func prepare(_ configuration: ContainerConfiguration) async throws(ContainerError) -> ContainerStatus {
        calls.append("prepare \(configuration.id)")
        if behaviour.failPrepare { throw ContainerError(.kernelRefused, "failed to prepare \(configuration.id)") }
        guard containers[configuration.id] == nil else { throw ContainerError(.alreadyExists, "\(configuration.id) exists") }
        lastPID += 1
        let status = ContainerStatus(
            id: configuration.id, state: .prepared, pid: lastPID, guardPID: nil, address: "127.77.\(subnet).\(lastPID - 1000)",
            exit: nil,
            labels: configuration.labels)
        containers[configuration.id] = Container(configuration: configuration, status: status)
        return status
    }

    func start(_ id: String) async throws(ContainerError) -> ContainerStatus {
        calls.append("start \(id)")
        try expect(id, .prepared)
        containers[id]?.status.state = .running
        let behaviour = behaviour
        if let code = behaviour.exitCode {
            Task { end(id, ContainerExit(code: code, signal: nil, outOfMemory: false, failure: nil)) }
        } else if behaviour.bootDelay == .zero {
            await listen(id)
        } else {
            Task {
                try await Task.sleep(for: behaviour.bootDelay)
                await listen(id)
            }
        }
        return try await status(id)
    }

    func freeze(_ id: String) async throws(ContainerError) {
        calls.append("freeze \(id)")
        try expect(id, .running)
        containers[id]?.status.state = .frozen
    }

    func thaw(_ id: String) async throws(ContainerError) {
        calls.append("thaw \(id)")
        try expect(id, .frozen)
        containers[id]?.status.state = .running
    }

    func signal(_ id: String, _ number: Int32) async throws(ContainerError) {
        calls.append("signal \(id) \(number)")
        guard let container = containers[id], container.status.state != .exited else {
            throw ContainerError(.notFound, "\(id) is not there")
        }
        if number == 15 && behaviour.ignoresTerm { return }
        end(id, ContainerExit(code: 128 + number, signal: number, outOfMemory: false, failure: nil))
    }

    func remove(_ id: String) async throws(ContainerError) {
        calls.append("remove \(id)")
        end(id, ContainerExit(code: 137, signal: 9, outOfMemory: false, failure: nil))
        containers[id] = nil
    }

    func run(
        _ id: String, arguments: [String], timeoutMilliseconds: Int64
    ) async throws(ContainerError) -> (exit: ContainerExit, output: [UInt8]) {
        calls.append("run \(id) \(arguments.joined(separator: " "))")
        let code = Int32(arguments.last ?? "") ?? 0
        return (ContainerExit(code: code, signal: nil, outOfMemory: false, failure: nil), [])
    }

    func status(_ id: String) async throws(ContainerError) -> ContainerStatus {
        guard let status = containers[id]?.status else { throw ContainerError(.notFound, "\(id) is not there") }
        return status
    }

    func statistics(_ id: String) async throws(ContainerError) -> ContainerStatistics { ContainerStatistics() }

    nonisolated func logPath(_ id: String) -> String { "/nonexistent/\(id)" }

    nonisolated func exits() -> AsyncStream<(id: String, exit: ContainerExit)> {
        let (stream, continuation) = AsyncStream.makeStream(of: (id: String, exit: ContainerExit).self)
        Task { await subscribe(continuation) }
        return stream
    }

    /// The process ends by itself.
    func crash(_ id: String, code: Int32) {
        end(id, ContainerExit(code: code, signal: nil, outOfMemory: false, failure: nil))
    }

    func isListening(_ id: String) -> Bool { containers[id]?.listener != nil }

    func stop() {
        for container in containers.values { container.listener?.close(promise: nil) }
        for continuation in continuations { continuation.finish() }
    }

    private func subscribe(_ continuation: AsyncStream<(id: String, exit: ContainerExit)>.Continuation) {
        continuations.append(continuation)
    }

    private func expect(_ id: String, _ state: ContainerState) throws(ContainerError) {
        guard let container = containers[id] else { throw ContainerError(.notFound, "\(id) is not there") }
        guard container.status.state == state else {
            throw ContainerError(.wrongState, "\(id) must be \(state), is \(container.status.state)")
        }
    }

    private func listen(_ id: String) async {
        guard let container = containers[id], container.status.state == .running, let address = container.status.address else {
            return
        }
        let listener = try? await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AnswerHandler()) }
            }.bind(host: address, port: port).get()
        if containers[id]?.status.state == .running { containers[id]?.listener = listener } else { try? await listener?.close() }
    }

    private func end(_ id: String, _ exit: ContainerExit) {
        guard let container = containers[id], container.status.state != .exited else { return }
        container.listener?.close(promise: nil)
        containers[id]?.listener = nil
        containers[id]?.status.state = .exited
        containers[id]?.status.pid = nil
        containers[id]?.status.exit = exit
        for continuation in continuations { continuation.yield((id, exit)) }
    }
}

/// Answers anything with 200.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let answer = context.channel.allocator.buffer(string: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
    }
}
