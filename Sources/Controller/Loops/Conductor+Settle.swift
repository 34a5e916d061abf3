import ControllerStore
import Logging
import Orchestration
import SidekickModel

extension Conductor {
    /// What time alone changes: liveness, rollouts in their bake time, services that just changed, the autoscaler's turn.
    func lookAtTime() {
        let now = clock.now()
        liveness.advance(to: now)
        for host in book.hosts.keys {
            let new = liveness.liveness(of: host)
            let old = lastLiveness.updateValue(new, forKey: host)
            guard old != new else { continue }
            if let old { logger.notice("host \(host) is \(new.rawValue), was \(old.rawValue)") }
            if new == .lost {
                book.forgetLoad(of: host)
                let count = book.replicasOfHost[host]?.count ?? 0
                note(
                    FleetEvent(
                        at: now, kind: .hostLost, host: host,
                        message:
                            "\(host) was not heard of for \(timings.liveness.loss); its \(count) replicas are replaced elsewhere")
                )
            }
            // A host that comes or goes matters to whatever waits for room too.
            for name in book.services.keys { touch(name) }
        }
        if lastSweep + Self.sweep <= now {
            lastSweep = now
            warmUntil = warmUntil.filter { $0.value > now && book.services[$0.key] != nil }
            dirty.formUnion(book.services.keys)
        }
        for (name, service) in book.services {
            if service.rollout.map({ !$0.phase.isFinished }) ?? false || warmUntil[name].map({ $0 > now }) ?? false
                || service.record.deleting || isScalerDue(service, now: now)
            {
                dirty.insert(name)
            }
        }
    }

    /// Looks at every service that something happened to and commits what follows, in one transaction.
    func settle() async {
        // Before anything is written: a request may be waiting elsewhere for the replica that just became ready.
        sendRoutes(of: dirty.filter { book.services[$0] != nil })
        await commitPending()
        guard !dirty.isEmpty else { return }
        let now = clock.now()
        let names = pacing.takeDue(from: &dirty, now: now)
        defer { awaitTurn() }
        guard !names.isEmpty else { return }
        counters.rounds += 1
        liveness.advance(to: now)
        var hosts = book.hostViews(liveness)
        var writes: [String: [FleetWrite]] = [:]
        for name in names {
            let start = clock.now()
            defer { pacing.looked(at: name, from: start, to: clock.now()) }
            var own = scale(name, hosts: hosts, now: now)
            guard var view = book.view(of: name) else { continue }
            for case .counts(_, let online, let standby) in own {
                view.record.desiredOnline = online
                view.record.desiredStandby = standby
            }
            let actions = Reconciler.actions(for: view, hosts: hosts, now: now)
            // What this round has given out already is not free for the services after.
            HostView.reserve(for: actions, of: view, in: &hosts)
            own += actions.map(FleetWrite.action)
            if !own.isEmpty {
                writes[name] = own
                warmUntil[name] = now + Self.warmth
            }
        }
        await commitRound(names.compactMap { name in writes[name].map { (name, $0) } })
    }

    /// Hosts come first, since what follows may place replicas on them. What cannot be written now goes with the next round.
    private func commitPending() async {
        guard !pending.isEmpty else { return }
        do {
            try await commit(pending)
            pending = []
        } catch {
            counters.storeFailures += 1
            logger.error("\(pending.count) hosts and events could not be recorded yet: \(error)")
            // The history is bounded anyway; hosts must not be lost.
            if pending.count > 1000 { pending.removeAll { if case .host = $0 { false } else { true } } }
        }
    }

    /// One transaction for all; when that fails each service on its own, so that one which cannot be written holds nobody up.
    private func commitRound(_ rounds: [(service: String, writes: [FleetWrite])]) async {
        guard !rounds.isEmpty else { return }
        do {
            try await commit(rounds.flatMap(\.writes))
            return
        } catch {
            counters.storeFailures += 1
            logger.error("a round of \(rounds.count) services could not be committed: \(error)")
            guard error.code == .notFound || error.code == .inputOutput || error.code == .conflict else {
                // With the next tick again.
                for round in rounds { touch(round.service) }
                return
            }
        }
        for round in rounds {
            do {
                try await commit(round.writes)
            } catch {
                logger.error("service \(round.service): what was decided could not be committed: \(error)")
                touch(round.service)
            }
        }
    }
}
