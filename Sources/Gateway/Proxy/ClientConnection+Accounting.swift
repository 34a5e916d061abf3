import EventLoop
import HTTPFraming
import Orchestration
import SidekickModel

/// What is counted and logged of a request.
extension ClientConnection {
    /// Notes what the request says for the access log; returns its draft.
    func beginLog(_ log: AccessLog, _ head: RequestHead, _ newID: (UInt64, UInt64)) -> Int32 {
        let bytes = input.bytes
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        var given = none
        var userAgent = none
        var referer = none
        for field in scanner.section.fields {
            switch field.role {
            case .requestID: if given.isEmpty, HeadWriter.isID(field.value.of(bytes)) { given = field.value.of(bytes) }
            case .plain:
                if field.isNamed("user-agent", in: bytes) { userAgent = field.value.of(bytes) }
                if field.isNamed("referer", in: bytes) { referer = field.value.of(bytes) }
            default: break
            }
        }
        return HeadWriter.withHexadecimal(newID) { fresh in
            logClient(bytes).withUnsafeBytes { client in
                log.begin(
                    AccessLog.Request(
                        client: client, method: head.methodName.of(bytes), target: head.target.of(bytes),
                        host: head.authority.of(bytes),
                        version: isStream ? "HTTP/2.0" : head.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1",
                        id: given.isEmpty ? fresh : given, userAgent: userAgent, referer: referer),
                    arrived: exchange.arrived)
            }
        }
    }

    /// Who asked: the client itself, or whom a trusted proxy names.
    private func logClient(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        guard client.isTrusted else { return client.address }
        let values = scanner.section.fields.filter { $0.role == .forwardedFor }.map { $0.value.of(bytes) }
        guard let first = ForwardedFor.client(values, trusted: worker.trust.includes) else { return client.address }
        return Array(first.hostText.utf8)
    }

    /// Counts and logs the request that ended. `status` is what the client was answered, 0 when it got no whole response.
    func countRequest(status: Int) {
        let isRead = exchange.arrived != .zero
        let took = isRead ? worker.now.nanoseconds - exchange.arrived.nanoseconds : 0
        let reached = exchange.target >= 0
        let held = reached ? exchange.forwarded.nanoseconds - exchange.arrived.nanoseconds : took
        let replica = reached ? worker.replica(at: exchange.target) : nil
        if let service = exchange.service {
            service.statistics.count(status: status, took: took, held: held, sent: exchange.responseBytes)
        } else {
            worker.hub.unrouted.count(status)
        }
        replica?.statistics.count(status: status, took: took - held)
        guard let log = worker.accessLog else { return }
        let draft =
            exchange.logDraft >= 0
            ? exchange.logDraft : client.address.withUnsafeBytes { log.beginUnread(client: $0, arrived: worker.now) }
        exchange.logDraft = -1
        log.end(
            draft,
            AccessLog.Outcome(
                status: status, bytes: exchange.responseBytes, total: took, hold: held,
                upstream: exchange.responded.map { $0.nanoseconds - exchange.forwarded.nanoseconds },
                service: exchange.service?.name, revision: replica?.revision, replica: replica?.replica.number))
    }
}
