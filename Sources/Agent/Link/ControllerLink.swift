import AgentProtocol
import Logging
import NIOCore
import NIOPosix
import SidekickModel

/// Connects to the controller, and again whenever the connection ends, after a pause that grows and is spread by chance so that a
/// fleet does not come back all at once.
struct ControllerLink {
    let core: AgentCore
    let configuration: AgentConfiguration
    let logger: Logger

    /// Runs until cancelled.
    func run(host: String, port: Int) async {
        var failures = 0
        while !Task.isCancelled {
            do {
                let channel = try await connect(host, port)
                let began = NIODeadline.now()
                try await withTaskCancellationHandler {
                    try await channel.closeFuture.get()
                } onCancel: {
                    channel.close(promise: nil)
                }
                logger.notice("the controller's session ended", metadata: ["controller": "\(configuration.controller)"])
                failures = NIODeadline.now() - began > .seconds(10) ? 0 : failures + 1
            } catch {
                if failures == 0 || failures % 20 == 0 {
                    logger.warning(
                        "the controller is not reached; replicas go on and it is tried again",
                        metadata: ["controller": "\(configuration.controller)", "error": "\(error)"])
                }
                failures += 1
            }
            try? await Task.sleep(for: pause(failures))
        }
    }

    /// 50 ms doubled with each failure up to the configured bound, of which half to all is waited.
    private func pause(_ failures: Int) -> Duration {
        let bound = min(Double(configuration.reconnect.count), 50 * Double(1 << min(failures, 16)))
        return .milliseconds(Int64(bound * Double.random(in: 0.5...1)))
    }

    private func connect(_ host: String, _ port: Int) async throws -> any Channel {
        let core = core
        let logger = logger
        return try await ClientBootstrap(group: core.loop)
            .connectTimeout(.seconds(5))
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = FrameHandler(
                        logger: logger,
                        opened: { channel in core.assumeIsolated { $0.sessionOpened(channel) } },
                        received: { (frame) throws(ProtocolError) in
                            let message = try ControllerMessage(frame: frame)
                            core.assumeIsolated { $0.received(message, from: channel) }
                        },
                        closed: { core.assumeIsolated { $0.sessionClosed(channel) } })
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }.connect(host: host, port: port).get()
    }
}
