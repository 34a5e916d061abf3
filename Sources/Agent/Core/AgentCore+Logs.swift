import AgentProtocol
import ContainerCore
import NIOCore
import Orchestration
import SidekickModel

/// Reads replicas' logs for the controller.
extension AgentCore {
    func readLogs(_ session: Session, request: Int64, _ replica: ReplicaID, tail: Int, follow: Bool) {
        let channel = session.channel
        logReaders[request] = Task {
            var failure: String?
            do {
                try await sendLogs(channel, request: request, replica, tail: tail, follow: follow)
            } catch {
                failure = "\(error)"
            }
            channel.send(AgentMessage.logs(request: request, bytes: [], end: true, failure: failure).frame())
            logReaders[request] = nil
        }
    }

    /// A followed replica is followed from container to container until it is gone.
    private func sendLogs(
        _ channel: any Channel, request: Int64, _ replica: ReplicaID, tail: Int, follow: Bool
    ) async throws {
        var last = 0
        while !Task.isCancelled {
            let attempt = replicas[replica]?.lifecycle.memory.attempt ?? 0
            guard attempt > last else {
                if follow && replicas[replica] != nil {
                    try await Task.sleep(for: .milliseconds(200))
                    continue
                }
                guard last > 0 else {
                    throw AgentError(.invalidConfiguration, "\(replica) has had no container on host \(configuration.host) yet")
                }
                return
            }
            let path = runtime.logPath(ReplicaContainer.id(replica, attempt: attempt))
            guard await Self.isThere(path) || !follow else {
                // Being made; or it was never made, and another attempt follows.
                try await Task.sleep(for: .milliseconds(200))
                continue
            }
            // Each piece waits until the one before is on its way: a slow reader holds nothing up but itself.
            try await LogReader.read(path: path, tail: last == 0 ? tail : .max, follow: follow) { bytes in
                let message = AgentMessage.logs(request: request, bytes: bytes, end: false, failure: nil)
                try await channel.writeAndFlush(channel.allocator.buffer(bytes: message.frame()))
            }
            guard follow else { return }
            last = attempt
        }
    }

    @concurrent private static func isThere(_ path: String) async -> Bool { LogFile.inode(path: path) != nil }
}
