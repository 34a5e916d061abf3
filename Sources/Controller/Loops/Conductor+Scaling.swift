import ControllerStore
import Logging
import Orchestration
import SidekickModel

extension Conductor {
    /// Gateways report each second; a step takes what they reported.
    private static let stepInterval = Milliseconds(900)
    /// Without reports the question is repeated this often.
    private static let idleInterval = Milliseconds.seconds(5)
    /// What the autoscaler learnt is kept at least this often, and with every change of a count.
    private static let saveInterval = Milliseconds.seconds(15)

    func isScalerDue(_ service: FleetBook.Service, now: Instant) -> Bool {
        guard let last = service.scaler.steppedAt else { return true }
        return last + (service.load.isFresh ? Self.stepInterval : Self.idleInterval) <= now
    }

    /// Asks the autoscaler about one service when it is its turn; the writes that follow.
    func scale(_ name: String, hosts: [HostView], now: Instant) -> [FleetWrite] {
        let isUrgent = urgent.remove(name) != nil
        guard let service = book.services[name], let view = book.view(of: name), !service.record.deleting,
            let spec = service.revisions[service.record.revision]?.spec, isUrgent || isScalerDue(service, now: now)
        else { return [] }
        let owners = Set(view.replicas.map(\.record.host))
        let expected = hosts.filter { host in
            switch host.liveness {
            case .alive, .suspected: true
            case .unknown: owners.contains(host.record.name)
            case .lost: false
            }
        }.map(\.record.name)
        guard !expected.isEmpty, let load = book.takeLoad(of: name, expected: expected, now: now) else { return [] }

        var state = service.scaler
        let configuration = ScalerConfiguration(
            spec: spec, coldStart: state.starts.coldSeconds, wake: state.starts.wakeSeconds)
        var scaler =
            state.scaler
            ?? Autoscaler(
                configuration: configuration, online: service.record.desiredOnline, standby: service.record.desiredStandby)
        let outcome = ScalerTurn.take(
            &scaler, service: view, load: load.sample, complete: load.complete,
            lost: Set(hosts.filter { $0.liveness == .lost }.map(\.record.name)), configuration: configuration, now: now)
        state.scaler = scaler
        state.steppedAt = now
        var writes: [FleetWrite] = []
        if let decision = outcome.decision {
            counters.decisions += 1
            writes = [.counts(service: name, online: outcome.online, standby: outcome.standby), .decision(decision)]
        }
        if outcome.decision != nil || state.savedAt.map({ $0 + Self.saveInterval <= now }) ?? true {
            state.savedAt = now
            do {
                writes.append(.scalerMemory(service: name, try state.text()))
            } catch {
                logger.error("service \(name): what the autoscaler learnt cannot be kept: \(error)")
            }
        }
        book.setScaler(state, of: name)
        if let record = book.record(load.sample, of: name, now: now) { writes.append(.load(service: name, record)) }
        return writes
    }
}
