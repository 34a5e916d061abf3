import ControllerStore
import Orchestration
import SidekickModel
import Testing

/// What every store must do, whatever it is made of.
@Suite struct FleetStoreConformanceTests {
    let scratch = ScratchDirectory()

    @Test(arguments: StoreKind.allCases)
    func `a new replica gets an id and generation one, each order raises the generation`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        let created = try await store.commit(
            newService() + [
                .action(.create(service: "web", revision: 1, host: "a", desired: .rung(.prepared))),
                .action(.create(service: "web", revision: 1, host: "b", desired: .rung(.online))),
            ], now: .start
        ).replicas
        #expect(created.map(\.generation) == [1, 1])
        #expect(Set(created.map(\.id)).count == 2)
        let later = Instant.start + .seconds(5)
        let ordered = try await store.commit([.action(.order(created[0].id, .rung(.online)))], now: later).replicas
        #expect(ordered.map(\.generation) == [2])
        #expect(ordered[0].desired == .rung(.online))
        #expect(ordered[0].changedAt == later)
        #expect(ordered[0].createdAt == .start)
        try await store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `a replica id is never used twice, not even after forgetting and reopening`(_ kind: StoreKind) async throws {
        var used: Set<ReplicaID> = []
        for round in 0..<3 {
            let store = try await kind.open(scratch.path)
            if round == 0 { _ = try await store.commit(newService(), now: .start) }
            let create = FleetWrite.action(.create(service: "web", revision: 1, host: "a", desired: .rung(.online)))
            let made = try await store.commit([create, create], now: .start).replicas.map(\.id)
            #expect(used.isDisjoint(with: made))
            used.formUnion(made)
            let gone = try await store.commit(made.map { .action(.forget($0)) }, now: .start)
            #expect(gone.count == 2)
            #expect(try await store.commit([.action(.forget(made[0]))], now: .start).isEmpty)
            try await store.close()
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `when one write of a commit fails, none of it happened`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        _ = try await store.commit(newService(), now: .start)
        let before = try await store.load()
        await #expect {
            try await store.commit(
                [
                    .action(.create(service: "web", revision: 1, host: "a", desired: .rung(.online))),
                    .counts(service: "web", online: 9, standby: 9),
                    .action(.order(ReplicaID(999), .removed)),
                ], now: .start)
        } throws: {
            ($0 as? StoreError)?.code == .notFound
        }
        #expect(try await store.load() == before)
        try await store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `a record changed since it was read is a conflict that names both versions`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        let record = try #require(try await store.commit(newService(), now: .start).services.first)
        #expect(record.resourceVersion == 1)
        let second = try #require(try await store.commit([.service(record, expecting: 1)], now: .start).services.first)
        #expect(second.resourceVersion == 2)
        for stale: Int64 in [0, 1, 3] {
            await #expect {
                try await store.commit([.service(record, expecting: stale)], now: .start)
            } throws: { error in
                let error = error as? StoreError
                return error?.code == .conflict && error?.message.contains("version 2, not \(stale)") == true
            }
        }
        try await store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `the autoscaler's counts leave the resource version alone`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        _ = try await store.commit(newService(), now: .start)
        let after = try await store.commit([.counts(service: "web", online: 7, standby: 3)], now: .start).services
        #expect(after.map(\.desiredOnline) == [7])
        #expect(after.map(\.desiredStandby) == [3])
        #expect(after.map(\.resourceVersion) == [1])
        try await store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `a new rollout supersedes the one that is not over and leaves finished ones alone`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        func rollout(to revision: Int) -> FleetWrite {
            .startRollout(RolloutRecord(id: 0, service: "web", from: 1, to: revision, startedAt: .start, reason: "test"))
        }
        var first = try #require(try await store.commit(newService() + [rollout(to: 2)], now: .start).rollouts.first)
        first.phase = .succeeded
        first.finishedAt = .start
        _ = try await store.commit([.action(.rollout(first))], now: .start)
        let second = try #require(try await store.commit([rollout(to: 3)], now: .start).rollouts.first)
        let facts = try await store.commit([rollout(to: 4)], now: .start + .seconds(1)).rollouts
        #expect(facts.map(\.phase) == [.superseded, .progressing])
        #expect(facts.map(\.id).first == second.id)
        #expect(facts.first?.finishedAt == .start + .seconds(1))
        let history = try await store.rollouts(of: "web")
        #expect(history.map(\.to) == [4, 3, 2])
        #expect(history.map(\.phase) == [.progressing, .superseded, .succeeded])
        #expect(try await store.load().rollouts.map(\.to) == [4])
        try await store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `retagged replicas belong to the new revision with a higher generation`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        let create = FleetWrite.action(.create(service: "web", revision: 1, host: "a", desired: .rung(.online)))
        let made = try await store.commit(newService() + [create, create], now: .start).replicas
        let facts = try await store.commit([.retag(service: "web", from: [1, 2], to: 2)], now: .start).replicas
        #expect(facts.map(\.id) == made.map(\.id))
        #expect(facts.map(\.revision) == [2, 2])
        #expect(facts.map(\.generation) == [2, 2])
        #expect(facts.map(\.desired) == [.rung(.online), .rung(.online)])
        try await store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `a removed service takes its revisions, rollouts, decisions and memory along`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        _ = try await store.commit(
            newService() + newService("api") + [
                .startRollout(RolloutRecord(id: 0, service: "web", from: nil, to: 1, startedAt: .start, reason: "first")),
                .decision(decision("web", 1)), .scalerMemory(service: "web", "{}"), .scalerMemory(service: "api", "[]"),
            ], now: .start)
        let replica = try await store.commit(
            [.action(.create(service: "web", revision: 1, host: "a", desired: .removed))], now: .start
        ).replicas[0]
        // Not while a replica is left.
        await #expect(throws: StoreError.self) { try await store.commit([.action(.removeService("web"))], now: .start) }
        _ = try await store.commit([.action(.forget(replica.id)), .action(.removeService("web"))], now: .start)
        let fleet = try await store.load()
        #expect(fleet.services.map(\.name) == ["api"])
        #expect(fleet.revisions.map(\.service) == ["api"])
        #expect(fleet.rollouts.isEmpty)
        #expect(fleet.scalerMemory == ["api": "[]"])
        #expect(try await store.decisions(of: "web", limit: 10, since: nil).isEmpty)
        try await store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `histories are bounded, paged from either end and keep their order`(_ kind: StoreKind) async throws {
        var bounds = StoreBounds()
        bounds.decisionsPerService = 10
        bounds.events = 20
        bounds.pruneEvery = 8
        let store = try await kind.open(scratch.path, bounds: bounds)
        _ = try await store.commit(newService() + newService("api"), now: .start)
        _ = try await store.commit([.decision(decision("api", 0))], now: .start)
        for index in 1...100 {
            _ = try await store.commit(
                [
                    .decision(decision("web", index)),
                    .action(.event(FleetEvent(at: .start, kind: .scaled, service: "web", message: "\(index)"))),
                ], now: .start)
        }
        let all = try await store.decisions(of: "web", limit: 1000, since: nil)
        #expect((10...18).contains(all.count))
        #expect(all.last?.onlineAfter == 100)
        #expect(all.map(\.id) == all.map(\.id).sorted())
        #expect(try await store.decisions(of: "web", limit: 3, since: nil).map(\.onlineAfter) == [98, 99, 100])
        #expect(try await store.decisions(of: "web", limit: 2, since: all[0].id).map(\.id) == [all[1].id, all[2].id])
        #expect(try await store.decisions(of: "api", limit: 10, since: nil).count == 1)
        let events = try await store.events(limit: 1000, since: nil)
        #expect((20...28).contains(events.count))
        #expect(try await store.events(limit: 2, since: nil).map(\.message) == ["99", "100"])
        #expect(try await store.load().decisions.map(\.onlineAfter) == [0, 100])
        try await store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `what was committed reads the same after reopening, and the epoch rises`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        var host = HostRecord(name: "a", labels: ["zone": "eu"], cpu: MilliCPU(2000), memory: .mebibytes(512), joinedAt: .start)
        host.cordoned = true
        _ = try await store.commit(
            newService() + [
                .host(host), .action(.create(service: "web", revision: 1, host: "a", desired: .rung(.frozen))),
                .startRollout(RolloutRecord(id: 0, service: "web", from: nil, to: 1, startedAt: .start, reason: "first")),
                .action(.stable(service: "web", revision: 1)), .decision(decision("web", 4)),
                .scalerMemory(service: "web", "{\"a\":1}"),
            ], now: .start)
        let fleet = try await store.load()
        try await store.close()
        let again = try await kind.open(scratch.path)
        #expect(try await again.load() == fleet)
        #expect(again.epoch == store.epoch + 1)
        #expect(fleet.hosts == [host])
        #expect(fleet.services.map(\.stableRevision) == [1])
        try await again.close()
    }

    @Test(arguments: StoreKind.allCases)
    func `a second opening is refused while the first is open`(_ kind: StoreKind) async throws {
        let store = try await kind.open(scratch.path)
        await #expect {
            try await kind.open(scratch.path)
        } throws: {
            ($0 as? StoreError)?.code == .inUse
        }
        try await store.close()
        try await kind.open(scratch.path).close()
    }

    private func decision(_ service: String, _ online: Int) -> Decision {
        Decision(
            service: service, at: .start, onlineBefore: 0, onlineAfter: online, standbyBefore: 0, standbyAfter: 1,
            reason: "load rose", otherwise: "nothing", inputs: [DecisionInput("inflight", 1.5)])
    }
}
