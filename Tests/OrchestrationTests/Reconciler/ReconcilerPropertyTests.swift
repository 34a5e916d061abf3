import Orchestration
import SidekickModel
import Testing

/// Random histories against the strict model: faults first, then peace, in which everything must converge.
struct ReconcilerPropertyTests {
    static let seeds = Array(1...120)

    @Test(arguments: seeds) func `a fleet under faults keeps its bounds and converges once they stop`(seed: Int) {
        var fleet = FakeFleet(seed: seed, hosts: 1 + seed % 4)
        let names = fleet.hosts.keys.sorted()
        fleet.revisions[1]?.spec.rollout.maxSurge = seed % 3
        fleet.revisions[1]?.spec.rollout.maxUnavailable = seed % 2
        if seed % 3 == 0 { fleet.revisions[1]?.spec.rollout.canary = [10, 40] }
        fleet.revisions[1]?.spec.replicas.rung = seed % 5 == 0 ? .frozen : .prepared
        if seed % 2 == 0 {
            // Room for what may be online at most, on every host alone.
            fleet.revisions[1]?.spec.resources.cpu = MilliCPU(500)
            for name in names { fleet.capacity[name] = MilliCPU(3500) }
        }
        fleet.record.desiredOnline = seed % 4
        fleet.record.desiredStandby = seed % 3
        for _ in 0..<600 {
            fleet.runAgents()
            disturb(&fleet, names)
            fleet.reconcile()
            if !fleet.problems.isEmpty { break }
        }
        for name in names {
            fleet.setHost(name, up: true)
            fleet.hosts[name]?.draining = false
            fleet.hosts[name]?.cordoned = false
        }
        for _ in 0..<1600 where fleet.problems.isEmpty {
            fleet.runAgents()
            if fleet.rollout?.phase == .paused, fleet.rollout?.from != nil { fleet.rollout?.phase = .progressing }
            fleet.reconcile()
        }
        #expect(fleet.problems.isEmpty, "seed \(seed): \(fleet.problems)\n\(fleet.log.suffix(12).joined(separator: "\n"))")
        guard fleet.problems.isEmpty else { return }
        expectConverged(&fleet, seed: seed)
    }

    private func disturb(_ fleet: inout FakeFleet, _ names: [String]) {
        if fleet.random.chance(4) { fleet.record.desiredOnline = Int.random(in: 0...5, using: &fleet.random) }
        if fleet.random.chance(2) { fleet.record.desiredStandby = Int.random(in: 0...3, using: &fleet.random) }
        if fleet.random.chance(5) { fleet.wakeSomething() }
        if fleet.random.chance(2), let name = names.randomElement(using: &fleet.random) {
            fleet.setHost(name, up: !(fleet.hosts[name]?.up ?? true))
        }
        if fleet.random.chance(1), let name = names.randomElement(using: &fleet.random) { fleet.hosts[name]?.draining.toggle() }
        if fleet.random.chance(1), let name = names.randomElement(using: &fleet.random) { fleet.hosts[name]?.cordoned.toggle() }
        if fleet.random.chance(1), fleet.rollout?.phase == .progressing { fleet.rollout?.phase = .paused }
        if fleet.random.chance(3), fleet.rollout?.phase == .paused {
            fleet.rollout?.phase = .progressing
            fleet.rollout?.progressedAt = fleet.now
        }
        if fleet.random.chance(1), fleet.record.stableRevision != nil {
            let image = "web:\(fleet.revisions.count + 1)"
            fleet.addRevision { $0.image = image }
            if fleet.random.chance(30) { fleet.brokenRevisions.insert(fleet.record.revision) }
            fleet.startRollout()
        }
    }

    private func expectConverged(_ fleet: inout FakeFleet, seed: Int) {
        let phase = fleet.rollout?.phase
        let finished = phase == .succeeded || phase == .rolledBack
        #expect(finished || fleet.rollout?.from == nil, "seed \(seed): rollout is \(fleet.rollout.debugDescription)")
        let present = fleet.replicas.values.filter { $0.desired != .removed }
        let online = present.filter { fleet.isReady($0.id) }.count
        #expect(online == fleet.record.desiredOnline, "seed \(seed)")
        let standbys = present.filter { $0.desired != .rung(.online) }.count
        #expect(standbys == fleet.record.desiredStandby, "seed \(seed)")
        #expect(Set(present.map(\.revision)).count <= 1, "seed \(seed): \(present)")
        #expect(fleet.replicas.count == present.count, "seed \(seed): something is never forgotten")
        #expect(fleet.reconcile().isEmpty, "seed \(seed): a converged fleet is left alone")
    }
}
