import SidekickModel

/// Counts of one phase, of one second, or of all.
struct LoadTally {
    private(set) var sent = 0
    private(set) var answered = 0
    private(set) var failed = 0
    private var byStatus: [Int: Int] = [:]
    private(set) var byVersion: [String: Int] = [:]
    private var failuresByKind: [String: Int] = [:]
    private(set) var latencies = LatencyHistogram()

    mutating func due() { sent += 1 }

    mutating func finished(_ record: RequestRecord) {
        if let status = record.outcome.status { byStatus[status, default: 0] += 1 }
        if record.outcome.isFailure {
            failed += 1
            failuresByKind[record.outcome.status == nil ? record.outcome.kind : "status", default: 0] += 1
        } else {
            answered += 1
            latencies.record(record.latency)
            if let version = record.version { byVersion[version, default: 0] += 1 }
        }
    }

    mutating func reset() {
        sent = 0
        answered = 0
        failed = 0
        byStatus = [:]
        byVersion = [:]
        failuresByKind = [:]
        latencies.reset()
    }

    func report(name: String, seconds: Double) -> PhaseReport {
        PhaseReport(
            name: name, sent: sent, answered: answered, failed: failed, latency: latencies.summary,
            byStatus: Dictionary(uniqueKeysWithValues: byStatus.map { ("\($0.key)", $0.value) }), byVersion: byVersion,
            failuresByKind: failuresByKind, seconds: seconds)
    }
}
