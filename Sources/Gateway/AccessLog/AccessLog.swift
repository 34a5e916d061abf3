import LinuxShims
import SidekickModel

/// One loop's side of the access log: formats a line in two steps, what the request says when it comes and what became of it when it
/// ends, and hands whole blocks of lines to the writer. Between the two steps a request holds one of the log's drafts.
final class AccessLog {
    /// What a request says of itself, in bytes that need not outlive the call.
    struct Request {
        var client: UnsafeRawBufferPointer
        var method: UnsafeRawBufferPointer
        var target: UnsafeRawBufferPointer
        var host: UnsafeRawBufferPointer
        /// Such as `HTTP/1.1`.
        var version: StaticString
        var id: UnsafeRawBufferPointer
        var userAgent: UnsafeRawBufferPointer
        var referer: UnsafeRawBufferPointer
    }

    /// What became of a request. Durations are in nanoseconds; nil where there was no such time.
    struct Outcome {
        var status: Int
        var bytes: Int
        var total: Int64
        /// From the whole head to when a replica was chosen.
        var hold: Int64
        /// From when a replica was chosen to its response head.
        var upstream: Int64?
        var service: String?
        var revision: Int?
        var replica: Int64?
    }

    private struct Draft {
        var text = LogText(capacity: 512)
        /// Where what follows status and size begins (combined format).
        var tail = 0
    }

    /// Lines are handed over in blocks of at least this many bytes, or once a second.
    private static let block = 32 << 10
    /// More of a user agent or referer is cut off.
    private static let fieldLimit = 1024

    private let writer: AccessLogWriter
    private let format: AccessLogConfiguration.Format
    private var text = LogText(capacity: block + 4096)
    private var lines: UInt64 = 0
    private var clock = LogClock()
    /// Wall clock minus the loop's clock, in nanoseconds.
    private var wallOffset: Int64 = 0
    private var drafts: [Draft] = []
    private var free: [Int32] = []

    init(_ writer: AccessLogWriter) {
        self.writer = writer
        format = writer.configuration.format
        setClock()
    }

    private func setClock() { wallOffset = sk_wall_nanoseconds() - sk_monotonic_nanoseconds() }

    /// Notes what a request says. The number goes to `end`, once.
    func begin(_ request: Request, arrived: Instant) -> Int32 {
        let number: Int32
        if let reused = free.popLast() {
            number = reused
        } else {
            number = Int32(drafts.count)
            drafts.append(Draft())
        }
        let place = Int(number)
        drafts[place].text.clear()
        switch format {
        case .json: Self.writeJSON(request, arrived.nanoseconds + wallOffset, &clock, &drafts[place])
        case .combined: Self.writeCombined(request, arrived.nanoseconds + wallOffset, &clock, &drafts[place])
        }
        return number
    }

    /// Notes a request of which nothing could be read, such as one refused for its head.
    func beginUnread(client: UnsafeRawBufferPointer, arrived: Instant) -> Int32 {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        return begin(
            Request(
                client: client, method: none, target: none, host: none, version: "-", id: none, userAgent: none, referer: none),
            arrived: arrived)
    }

    /// Completes a line.
    func end(_ number: Int32, _ outcome: Outcome) {
        let place = Int(number)
        switch format {
        case .json: finishJSON(outcome, drafts[place].text.bytes)
        case .combined: finishCombined(outcome, drafts[place])
        }
        free.append(number)
        lines += 1
        if text.count >= Self.block { flush() }
    }

    /// Hands over what there is. The control loop has it called every second.
    func flush() {
        setClock()
        guard lines > 0 else { return }
        writer.take(text.bytes, lines: lines)
        text = LogText(capacity: Self.block + 4096)
        lines = 0
    }

    // MARK: JSON

    private static func writeJSON(_ request: Request, _ time: Int64, _ clock: inout LogClock, _ draft: inout Draft) {
        draft.text.append("{\"time\":\"")
        clock.appendISO(time, to: &draft.text)
        func field(_ name: StaticString, _ value: UnsafeRawBufferPointer, limit: Int = .max) {
            guard !value.isEmpty else { return }
            draft.text.append(name)
            draft.text.appendJSON(UnsafeRawBufferPointer(rebasing: value.prefix(limit)))
        }
        field("\",\"client\":\"", request.client)
        field("\",\"method\":\"", request.method)
        field("\",\"host\":\"", request.host)
        field("\",\"path\":\"", request.target)
        draft.text.append("\",\"protocol\":\"")
        draft.text.append(request.version)
        field("\",\"request_id\":\"", request.id)
        field("\",\"user_agent\":\"", request.userAgent, limit: fieldLimit)
        field("\",\"referer\":\"", request.referer, limit: fieldLimit)
        draft.text.append("\"")
    }

    private func finishJSON(_ outcome: Outcome, _ draft: [UInt8]) {
        text.append(draft)
        text.append(",\"status\":")
        text.append(outcome.status)
        text.append(",\"bytes\":")
        text.append(outcome.bytes)
        text.append(",\"total_ms\":")
        text.appendMilliseconds(outcome.total)
        text.append(",\"hold_ms\":")
        text.appendMilliseconds(outcome.hold)
        if let upstream = outcome.upstream {
            text.append(",\"upstream_ms\":")
            text.appendMilliseconds(upstream)
        }
        if let service = outcome.service {
            text.append(",\"service\":\"")
            text.append(service.utf8)
            text.append("\"")
        }
        if let revision = outcome.revision {
            text.append(",\"revision\":")
            text.append(revision)
        }
        if let replica = outcome.replica {
            text.append(",\"replica\":\"r")
            text.append(Int(replica))
            text.append("\"")
        }
        text.append("}\n")
    }

    // MARK: Combined

    private static func writeCombined(_ request: Request, _ time: Int64, _ clock: inout LogClock, _ draft: inout Draft) {
        func piece(_ value: UnsafeRawBufferPointer, limit: Int = .max) {
            if value.isEmpty { return draft.text.append("-") }
            draft.text.appendCombined(UnsafeRawBufferPointer(rebasing: value.prefix(limit)))
        }
        piece(request.client)
        draft.text.append(" - - [")
        clock.appendCombined(time, to: &draft.text)
        draft.text.append("] \"")
        if !request.method.isEmpty {
            piece(request.method)
            draft.text.append(" ")
            piece(request.target)
            draft.text.append(" ")
        }
        draft.text.append(request.version)
        draft.text.append("\" ")
        draft.tail = draft.text.count
        draft.text.append(" \"")
        piece(request.referer, limit: fieldLimit)
        draft.text.append("\" \"")
        piece(request.userAgent, limit: fieldLimit)
        draft.text.append("\" \"")
        piece(request.id)
        draft.text.append("\" ")
    }

    private func finishCombined(_ outcome: Outcome, _ draft: Draft) {
        text.append(draft.text.bytes[..<draft.tail])
        text.append(outcome.status)
        text.append(" ")
        text.append(outcome.bytes)
        text.append(draft.text.bytes[draft.tail...])
        if let service = outcome.service { text.append(service.utf8) } else { text.append("-") }
        text.append(" ")
        if let revision = outcome.revision { text.append(revision) } else { text.append("-") }
        text.append(" ")
        if let replica = outcome.replica {
            text.append("r")
            text.append(Int(replica))
        } else {
            text.append("-")
        }
        text.append(" ")
        text.appendMilliseconds(outcome.hold)
        text.append(" ")
        if let upstream = outcome.upstream { text.appendMilliseconds(upstream) } else { text.append("-") }
        text.append(" ")
        text.appendMilliseconds(outcome.total)
        text.append("\n")
    }
}
