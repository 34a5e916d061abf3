import AgentProtocol
import Glibc
import Logging
import NIOCore
import NIOPosix

/// Where the host's gateways connect: a Unix socket that only root may use.
enum GatewayListener {
    static func bind(path: String, core: AgentCore, logger: Logger) async throws(AgentError) -> any Channel {
        do {
            let server = try await ServerBootstrap(group: core.loop)
                .serverChannelOption(.backlog, value: 64)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = FrameHandler(
                            logger: logger,
                            opened: { _ in },
                            received: { (frame) throws(ProtocolError) in
                                let message = try GatewayMessage(frame: frame)
                                core.assumeIsolated { $0.received(message, from: channel) }
                            },
                            closed: { core.assumeIsolated { $0.gatewayDisconnected(channel) } })
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
            chmod(path, 0o600)
            return server
        } catch {
            throw AgentError(.inputOutput, "failed to listen for the gateway on \(path)", cause: "\(error)")
        }
    }
}
