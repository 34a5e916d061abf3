import Orchestration
import SidekickModel
import Synchronization

/// One service as all loops share it: its admission behind a lock. Whoever holds an event takes the lock, steps, lets go, then acts.
final class ServiceEntry: Sendable {
    private struct State {
        var admission: ServiceAdmission
        /// When the control loop will send `tick` next; nil when nothing is planned.
        var planned: Instant?
    }

    let name: String
    let statistics = ServiceStatistics()
    /// Times a replica was ejected.
    let ejections = Atomic<UInt64>(0)
    private let state: Mutex<State>

    init(name: String, policy: AdmissionPolicy, now: Instant) {
        self.name = name
        state = Mutex(State(admission: ServiceAdmission(service: name, policy: policy, now: now)))
    }

    /// Takes one event. Returns when a `tick` is due, if that is sooner than what is planned: the caller sees that it is planned.
    func step(_ event: AdmissionEvent, now: Instant, into actions: inout [AdmissionAction]) -> Instant? {
        state.withLock { state in
            if case .tick = event { state.planned = nil }
            state.admission.step(event, now: now, into: &actions)
            guard state.admission.held > 0, let next = state.admission.nextTick(now: now) else { return nil }
            if let planned = state.planned, planned <= next { return nil }
            state.planned = next
            return next
        }
    }

    func currentSample(now: Instant) -> LoadSample { state.withLock { $0.admission.currentSample(now: now) } }
    func endpointLoads(now: Instant) -> [EndpointLoad] { state.withLock { $0.admission.endpointLoads(now: now) } }
    func takeSample(now: Instant) -> LoadSample { state.withLock { $0.admission.takeSample(now: now) } }
}
