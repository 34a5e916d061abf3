import EventLoop
import Glibc
import SidekickModel

/// Runs one plan on one event loop.
///
/// Sendable without the compiler's check because everything but `init` and `stop` runs on the loop's thread, and those two only
/// submit work to it.
final class LoadEngine: EventHandler, @unchecked Sendable {
    private enum Tag: Int { case pace, second, housekeeping, retry }

    let plan: LoadPlan
    let loop: EventLoop
    let receiveBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    private let parts: (before: [UInt8], after: [UInt8])
    private let boundaries: [Int64]
    private let connectionLimit: Int
    private let ledger: LedgerFile?
    private let onSecond: (@Sendable (LoadSecond) -> Void)?
    private let onEnd: @Sendable (LoadReport) -> Void

    private let run: String
    private var began = Instant.zero
    private var schedule: LoadSchedule
    private var next: LoadSchedule.Due?
    private var number = 0
    private var sending = true

    private var connections: [ObjectIdentifier: LoadConnection] = [:]
    /// Most recently used last, so that few connections stay warm rather than many.
    private var idle: [LoadConnection] = []
    private var waiting: [PendingRequest] = []
    private var waitingStart = 0
    private var opened = 0
    private var stale = 0
    /// Connections that closed mode has still to replace after a failure.
    private var missing = 0
    private var open = 0

    private var phases: [LoadTally]
    private var total = LoadTally()
    private var second = LoadTally()
    private var timeline: [LoadSecond] = []
    private var lag = LatencyHistogram()
    private var failures: [String] = []
    private var records: [RequestRecord] = []
    private var lines: [UInt8] = []

    init(
        _ plan: LoadPlan, parts: (before: [UInt8], after: [UInt8]), loop: EventLoop, ledger: LedgerFile?,
        onSecond: (@Sendable (LoadSecond) -> Void)?,
        onEnd: @escaping @Sendable (LoadReport) -> Void
    ) {
        self.plan = plan
        self.parts = parts
        connectionLimit =
            if case .closed(let connections) = plan.mode { max(connections, plan.maximumConnections) } else {
                plan.maximumConnections
            }
        self.loop = loop
        self.ledger = ledger
        self.onSecond = onSecond
        self.onEnd = onEnd
        boundaries = LoadSchedule.boundaries(plan.phases)
        schedule = LoadSchedule(plan.phases)
        phases = plan.phases.map { _ in LoadTally() }
        run = String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16)
    }

    deinit { receiveBuffer.deallocate() }

    func start() { loop.submit { [self] in begin() } }

    /// No further request comes due; the run ends when the open ones have.
    func stop() {
        loop.submit { [self] in
            sending = false
            next = nil
            finishIfDone()
        }
    }

    /// Nanoseconds since the run began, by the clock itself.
    func elapsed() -> Int64 { EventLoop.monotonicNow().nanoseconds - began.nanoseconds }

    // MARK: Pace

    private func begin() {
        began = EventLoop.monotonicNow()
        _ = loop.schedule(at: began + Milliseconds(1000), self, tag: Tag.second.rawValue)
        _ = loop.schedule(at: began + Milliseconds(20), self, tag: Tag.housekeeping.rawValue)
        switch plan.mode {
        case .open:
            next = schedule.next()
            pace()
        case .closed(let connections):
            for _ in 0..<connections { sendNextInClosedMode() }
        }
        finishIfDone()
    }

    /// The engine watches no descriptor itself, only timers.
    func ready(_ readiness: Readiness) {}

    func expired(_ tag: Int) {
        switch Tag(rawValue: tag) {
        case .pace: pace()
        case .second: endSecond()
        case .housekeeping: keepHouse()
        case .retry:
            let count = missing
            missing = 0
            for _ in 0..<count { sendNextInClosedMode() }
        case nil: return
        }
        finishIfDone()
    }

    /// Hands out every request that is due, then sleeps until the next one is.
    private func pace() {
        while let due = next {
            let now = elapsed()
            guard due.offset <= now else {
                _ = loop.schedule(at: Instant(nanoseconds: began.nanoseconds + due.offset), self, tag: Tag.pace.rawValue)
                return
            }
            lag.record(now - due.offset)
            next = schedule.next()
            dispatch(make(phase: due.phase, intended: due.offset))
        }
        sending = false
    }

    private func sendNextInClosedMode() {
        let now = elapsed()
        guard sending, let phase = boundaries.lastIndex(where: { $0 <= now }), phase < plan.phases.count else {
            sending = false
            return
        }
        dispatch(make(phase: phase, intended: now))
    }

    private func make(phase: Int, intended: Int64) -> PendingRequest {
        defer { number += 1 }
        phases[phase].due()
        total.due()
        second.due()
        open += 1
        return PendingRequest(number: number, phase: phase, intended: intended)
    }

    // MARK: Connections

    private func dispatch(_ request: PendingRequest) {
        while let connection = idle.popLast() {
            guard connection.state == .idle else { continue }
            if connection.take(request) { return }
            stale += 1
        }
        guard connections.count < connectionLimit else {
            waiting.append(request)
            return
        }
        do {
            let connection = try LoadConnection(self, number: opened, first: request)
            opened += 1
            connections[ObjectIdentifier(connection)] = connection
        } catch {
            // Not from in here: the caller may be looping over what is due.
            loop.later { [self] in
                finished(request, .refused("\(error)"), version: nil)
                finishIfDone()
            }
        }
    }

    /// The connection of `request` was dead before a byte of it was written.
    func sendElsewhere(_ request: PendingRequest) {
        var request = request
        request.sent = nil
        request.connection = nil
        stale += 1
        dispatch(request)
    }

    /// `connection` is ready for another request.
    func idle(_ connection: LoadConnection) {
        while let request = popWaiting() {
            if connection.take(request) { return }
            dispatch(request)
            if connection.state != .idle { return }
        }
        idle.append(connection)
    }

    func closed(_ connection: LoadConnection) {
        connections[ObjectIdentifier(connection)] = nil
        guard waitingStart < waiting.count else { return }
        loop.later { [self] in
            while connections.count < connectionLimit, let request = popWaiting() { dispatch(request) }
        }
    }

    private func popWaiting() -> PendingRequest? {
        guard waitingStart < waiting.count else { return nil }
        defer {
            waitingStart += 1
            if waitingStart > 1024, waitingStart > waiting.count / 2 {
                waiting.removeFirst(waitingStart)
                waitingStart = 0
            }
        }
        return waiting[waitingStart]
    }

    func write(_ request: PendingRequest, into output: inout [UInt8]) {
        output.removeAll(keepingCapacity: true)
        output.append(contentsOf: parts.before)
        output.append(contentsOf: "\(run)-\(request.number)".utf8)
        output.append(contentsOf: parts.after)
    }

    /// Ends requests whose time is up and connections idle for too long.
    private func keepHouse() {
        let limit = elapsed() - plan.timeout.nanoseconds
        while waitingStart < waiting.count, waiting[waitingStart].intended < limit, let request = popWaiting() {
            finished(request, .timeout, version: nil)
        }
        let expired = connections.values.filter { ($0.request?.intended ?? Int64.max) < limit }
        for connection in expired.sorted(by: { $0.number < $1.number }) { connection.fail(.timeout) }
        idle.removeAll { connection in
            if connection.state == .idle, loop.now - connection.idleSince > Double(plan.idleLimit.count) / 1000 {
                connection.close()
            }
            return connection.state != .idle
        }
        if open > 0 || sending { _ = loop.schedule(at: loop.now + Milliseconds(20), self, tag: Tag.housekeeping.rawValue) }
    }

    // MARK: Results

    func finished(_ request: PendingRequest, _ outcome: RequestOutcome, version: String?) {
        let record = RequestRecord(
            number: request.number, phase: request.phase, intended: request.intended, sent: request.sent, finished: elapsed(),
            connection: request.connection, outcome: outcome, version: version)
        open -= 1
        phases[record.phase].finished(record)
        total.finished(record)
        second.finished(record)
        if plan.keepsRecords { records.append(record) }
        let mayList = outcome.isFailure && failures.count < 1000
        if ledger != nil || mayList {
            let line = record.json(run: run, phaseName: plan.phases[record.phase].name)
            if mayList { failures.append(String(line.dropLast())) }
            if ledger != nil { lines.append(contentsOf: line.utf8) }
        }
        if case .closed = plan.mode {
            if outcome.status != nil {
                loop.later { [self] in
                    sendNextInClosedMode()
                    finishIfDone()
                }
            } else {
                // A target that refuses at once would otherwise be hammered.
                missing += 1
                _ = loop.schedule(at: loop.now + Milliseconds(10), self, tag: Tag.retry.rawValue)
            }
        }
        if !sending, open == 0 { loop.later { [self] in finishIfDone() } }
    }

    private func endSecond() {
        let number = timeline.count + 1
        let now = elapsed()
        let phase = boundaries.lastIndex { $0 <= now } ?? 0
        let line = LoadSecond(
            second: number, phase: plan.phases[min(phase, plan.phases.count - 1)].name, sent: second.sent,
            answered: second.answered, failed: second.failed, inflight: open, connections: connections.count,
            latency: second.latencies.summary, byVersion: second.byVersion)
        timeline.append(line)
        onSecond?(line)
        second.reset()
        flushLedger()
        if open > 0 || sending {
            _ = loop.schedule(at: began + Milliseconds(Int64(number + 1) * 1000), self, tag: Tag.second.rawValue)
        }
    }

    private func flushLedger() {
        ledger?.append(lines)
        lines.removeAll(keepingCapacity: true)
    }

    private var ended = false

    private func finishIfDone() {
        guard !ended, !sending, open == 0 else { return }
        ended = true
        for connection in connections.values { connection.close() }
        idle = []
        flushLedger()
        let all = Double(boundaries[boundaries.count - 1]) / 1e9
        onEnd(
            LoadReport(
                run: run, seconds: Double(elapsed()) / 1e9,
                phases: zip(plan.phases, phases).map { $1.report(name: $0.name, seconds: $0.seconds) },
                total: total.report(name: "total", seconds: all), lag: lag.summary, connectionsOpened: opened,
                staleConnections: stale, failures: failures, timeline: timeline, records: records))
    }
}
