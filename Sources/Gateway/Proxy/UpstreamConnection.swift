import EventLoop
import HTTPFraming
import SidekickModel

/// One connection to a replica, carrying one request of one client at a time, or unused.
final class UpstreamConnection: EventHandler {
    let target: Int32
    /// The client whose request it carries.
    var client: ClientConnection?
    var isIdle = false
    var idleSince = Instant.zero
    private(set) var isConnected: Bool
    /// Carried an earlier request, so that the replica may have been about to close it.
    var isReused = false
    var transport: Transport
    var input = InputBuffer()
    var scanner: ResponseScanner
    /// Kept alive like `ClientConnection.worker`: closing ends that, and every worker closes what it has.
    private let worker: Worker

    init(worker: Worker, target: Int32, transport: consuming Transport, isConnected: Bool = false) throws(SystemError) {
        self.worker = worker
        self.target = target
        self.isConnected = isConnected
        scanner = ResponseScanner(limits: worker.configuration.framing)
        self.transport = transport
        try self.transport.register(worker.loop, self)
    }

    func ready(_ readiness: Readiness) {
        guard let client else {
            // Unused, and the replica closed it or sends what nobody asked for.
            if readiness.canRead, isConnected || readiness.isBroken {
                if isIdle { worker.forgetIdle(self) }
                close()
            }
            return
        }
        if !isConnected {
            guard readiness.canWrite || readiness.isBroken else { return }
            guard transport.connectError() == 0, !readiness.isBroken else { return client.connectFailed() }
            isConnected = true
        }
        transport.note(readiness)
        client.upstreamReady()
    }

    var isQuiet: Bool { transport.isQuiet() }

    /// Reads once into `input`.
    func fill() -> Int { transport.fill(&input, worker.pool) }

    /// Whether another request may follow the one just answered.
    var isReusable: Bool { input.isEmpty && !transport.peerClosed && transport.isOpen && !transport.isStream }

    func rest() { input.rest(worker.pool) }

    func close() {
        transport.close(worker.loop)
        input.discard(worker.pool)
        client = nil
    }
}
