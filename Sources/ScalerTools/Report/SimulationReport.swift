import Orchestration
package import SidekickModel

/// What one policy did with a trace.
package struct PolicyReport: Hashable, Sendable, Codable {
    package struct Waits: Hashable, Sendable, Codable {
        /// Seconds.
        package var p50: Double
        package var p95: Double
        package var p99: Double
        package var max: Double
    }

    package struct Change: Hashable, Sendable, Codable {
        /// Seconds from the start of the trace.
        package var at: Double
        package var online: Int
        package var standby: Int
        package var reason: String

        package init(at: Double, online: Int, standby: Int, reason: String) {
            self.at = at
            self.online = online
            self.standby = standby
            self.reason = reason
        }
    }

    package var policy: String
    package var requests: Int
    package var waits: Waits
    /// Requests delayed for longer than the spec's `scale.wait`.
    package var violations: Int
    package var violationPercent: Double
    package var onlineReplicaSeconds: Double
    package var standbyReplicaSeconds: Double
    package var meanOnline: Double
    package var peakOnline: Int
    package var decisions: Int
    package var decisionsPerHour: Double
    /// Replicas started from nothing while load asked for them.
    package var coldStarts: Int
    package var wakes: Int
    /// Empty unless asked for.
    package var changes: [Change]

    init(_ name: String, _ result: ServiceSimulation.Result, seconds: Double) {
        policy = name
        requests = result.requests
        waits = Waits(result)
        violations = result.violations
        violationPercent = result.requests > 0 ? 100 * Double(result.violations) / Double(result.requests) : 0
        onlineReplicaSeconds = result.onlineSeconds
        standbyReplicaSeconds = result.standbySeconds
        meanOnline = seconds > 0 ? result.onlineSeconds / seconds : 0
        peakOnline = result.peak
        decisions = result.actions
        decisionsPerHour = seconds > 0 ? Double(result.actions) * 3600 / seconds : 0
        coldStarts = result.coldStarts
        wakes = result.wakes
        changes = result.changes.map { Change(at: $0.time, online: $0.online, standby: $0.standby, reason: $0.reason) }
    }
}

extension PolicyReport.Waits {
    fileprivate init(_ result: ServiceSimulation.Result) {
        let waits = result.waits.sorted()
        let none = result.requests - waits.count
        let share = { (share: Double) -> Double in
            let rank = min(result.requests - 1, Int((share * Double(result.requests)).rounded(.down)))
            return rank < none || waits.isEmpty ? 0 : Double(waits[min(rank - none, waits.count - 1)])
        }
        self.init(p50: share(0.5), p95: share(0.95), p99: share(0.99), max: result.maximumWait)
    }
}

/// Runs a trace under the production scaler and under what others do, each with the same requests.
package struct SimulationRun {
    /// What the scaler may be set beside.
    package enum Baseline: String, CaseIterable, Sendable {
        case fixed, hpa, kpa
    }

    package struct Settings: Sendable {
        /// Mean seconds one request takes on a replica that is not pressed, and standard deviation over mean of it.
        package var service = 0.1
        package var variation = 1.0
        /// Requests one replica serves at full speed where the spec leaves that to be learnt.
        package var capacity = 8
        package var coldStart = 2.0
        package var wake = 0.03
        package var seed: UInt64 = 1

        package init() {}
    }

    private static let admittedWithoutLimit = 1000

    package let seconds: Double
    private let spec: ServiceSpec
    private let settings: Settings
    private let stream: RequestStream

    package init(_ spec: ServiceSpec, trace: LoadTrace, settings: Settings) {
        self.spec = spec
        self.settings = settings
        seconds = trace.seconds
        stream = RequestStream(trace, service: settings.service, variation: settings.variation, seed: settings.seed)
    }

    private var capacity: Int { spec.scale.concurrency ?? settings.capacity }

    /// As many as the first minute keeps busy at 70%: the same start for everybody.
    private var startsWith: Int {
        let first = Double(stream.arrivals.count { $0 < 60 }) / max(1, min(60, seconds))
        return min(
            spec.replicas.max, max(1, spec.replicas.min, Int((first * settings.service / Double(capacity) / 0.7).rounded(.up))))
    }

    package func scaler(recordsChanges: Bool) -> PolicyReport {
        let configuration = ScalerConfiguration(spec: spec, coldStart: settings.coldStart, wake: settings.wake)
        return run(ScalerPolicy(configuration, online: startsWith), recordsChanges: recordsChanges)
    }

    package func baseline(_ baseline: Baseline) -> PolicyReport {
        switch baseline {
        case .fixed:
            let count = (stream.peakInFlight + capacity - 1) / capacity
            return run(FixedPolicy(count: min(spec.replicas.max, max(1, count))), recordsChanges: false)
        case .hpa:
            return run(
                HorizontalPolicy(concurrency: capacity, service: settings.service, online: startsWith), recordsChanges: false)
        case .kpa: return run(KnativePolicy(concurrency: capacity, online: startsWith), recordsChanges: false)
        }
    }

    private func run(_ policy: some ScalingPolicy, recordsChanges: Bool) -> PolicyReport {
        var policy = policy
        let service = SimulatedService(
            slots: spec.scale.concurrency ?? Self.admittedWithoutLimit, cores: capacity, coldStart: settings.coldStart,
            wake: settings.wake, wait: Double(spec.scale.wait.count) / 1000, maximum: spec.replicas.max)
        var simulation = ServiceSimulation(
            service, arrivals: stream.arrivals, serviceTimes: stream.serviceTimes, horizon: seconds,
            recordsChanges: recordsChanges)
        return PolicyReport(policy.name, simulation.run(&policy), seconds: seconds)
    }
}
