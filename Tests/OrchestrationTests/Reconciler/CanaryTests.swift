import Orchestration
import SidekickModel
import Testing

struct CanaryTests {
    /// A service of four online replicas that has come to rest, and then gets a second revision by canary steps.
    private static func fleet(_ seed: Int, broken: Bool = false) -> FakeFleet {
        var fleet = FakeFleet(seed: seed, hosts: 2)
        fleet.record.desiredOnline = 4
        for _ in 0..<200 {
            fleet.runAgents()
            fleet.reconcile()
        }
        fleet.addRevision {
            $0.image = "web:2"
            $0.rollout.canary = [25, 50]
        }
        if broken { fleet.brokenRevisions.insert(2) }
        fleet.startRollout()
        return fleet
    }

    private static func online(_ fleet: FakeFleet, _ revision: Int) -> Int {
        fleet.replicas.values.count { $0.revision == revision && fleet.isReady($0.id) }
    }

    private static func share(_ fleet: FakeFleet) -> Int? {
        RoutePlan.route(of: fleet.view, generation: 1)?.shares?.first?.percent
    }

    @Test(arguments: 1...20) func `a new revision gets its share step by step, each for the bake time, with replicas for it`(
        seed: Int
    ) {
        var fleet = Self.fleet(seed)
        var seen: [Int?] = []
        var since: [Instant] = []
        for _ in 0..<600 {
            fleet.runAgents()
            fleet.reconcile()
            let share = Self.share(fleet)
            if seen.last != share {
                seen.append(share)
                since.append(fleet.now)
            }
            if share == 25 { #expect(Self.online(fleet, 2) == 1 && Self.online(fleet, 1) >= 3) }
            if share == 50 { #expect(Self.online(fleet, 2) == 2 && Self.online(fleet, 1) >= 2) }
        }
        #expect(seen == [0, 25, 50, nil], "seed \(seed)")
        for index in 1..<(since.count - 1) { #expect(since[index + 1] - since[index] >= 2) }
        #expect(fleet.problems.isEmpty, "seed \(seed): \(fleet.problems)")
        #expect(fleet.rollout?.phase == .succeeded)
        #expect(Self.online(fleet, 2) == 4 && Self.online(fleet, 1) == 0)
        #expect(fleet.events(.rolloutCanary).count == 4, "\(fleet.events(.rolloutCanary).map(\.message))")
    }

    @Test func `a revision that fails at its first step never gets a request, and the old one keeps them all`() {
        var fleet = Self.fleet(3, broken: true)
        for _ in 0..<600 {
            fleet.runAgents()
            fleet.reconcile()
            #expect(Self.share(fleet) ?? 0 == 0)
            #expect(Self.online(fleet, 1) >= 4)
        }
        #expect(fleet.problems.isEmpty, "\(fleet.problems)")
        #expect(fleet.rollout?.phase == .rolledBack)
    }

    @Test func `a share stays as it is while the rollout is paused, and its time begins anew after that`() {
        var fleet = Self.fleet(5)
        while Self.share(fleet) != 25 {
            fleet.runAgents()
            fleet.reconcile()
        }
        fleet.rollout?.phase = .paused
        for _ in 0..<100 {
            fleet.runAgents()
            fleet.reconcile()
            #expect(Self.share(fleet) == 25)
        }
        guard case .change(let resumed, _) = RolloutSteering.resume(fleet.view, now: fleet.now) else {
            Issue.record("not resumed")
            return
        }
        #expect(resumed.canary == RolloutRecord.Canary(step: 0, percent: 25, since: nil))
    }

    // MARK: The choice of replicas by share

    private static func spread(
        _ shares: [RevisionShare], _ endpoints: [(target: Int32, revision: Int)], requests: Int
    ) -> [Int32] {
        var admission = ServiceAdmission(
            service: "web",
            policy: AdmissionPolicy(concurrency: nil, holdDeadline: .seconds(1), holdLimit: 10, shares: shares), now: .zero)
        var actions: [AdmissionAction] = []
        func endpoint(_ target: Int32, _ revision: Int) -> AdmissionEndpoint {
            AdmissionEndpoint(replica: ReplicaID(Int64(target)), target: target, draining: false, revision: revision)
        }
        admission.step(.endpoints(endpoints.map { endpoint($0.target, $0.revision) }), now: .zero, into: &actions)
        var targets: [Int32] = []
        for number in 0..<requests {
            actions = []
            admission.step(.arrived(RequestID(UInt64(number))), now: .zero, into: &actions)
            for case .forward(_, let ref, let target) in actions {
                targets.append(target)
                // Every third request stays open, so that loads differ.
                if number % 3 > 0 {
                    actions = []
                    admission.step(.finished(ref, failed: false), now: .zero, into: &actions)
                }
            }
        }
        return targets
    }

    @Test(arguments: [1, 5, 10, 25, 33, 50, 90, 99]) func `of any hundred requests exactly the share goes to the revision`(
        percent: Int
    ) {
        let targets = Self.spread(
            [RevisionShare(revision: 2, percent: percent)], [(1, 1), (2, 1), (3, 1), (4, 2)], requests: 1000)
        #expect(targets.count == 1000)
        for start in stride(from: 0, through: 900, by: 100) {
            #expect(targets[start..<(start + 100)].count { $0 == 4 } == percent)
        }
        // Evenly: between any two there are never more than the share asks for, rounded up.
        let places = targets.indices.filter { targets[$0] == 4 }
        for (a, b) in zip(places, places.dropFirst()) { #expect(b - a <= (100 + percent - 1) / percent) }
    }

    @Test func `who has no share is asked only when nobody else is there`() {
        let none = [RevisionShare(revision: 2, percent: 0)]
        #expect(Set(Self.spread(none, [(1, 1), (2, 2)], requests: 50)) == [1])
        #expect(Set(Self.spread(none, [(2, 2)], requests: 50)) == [2])
        let some = [RevisionShare(revision: 2, percent: 10)]
        #expect(Set(Self.spread(some, [(1, 1)], requests: 50)) == [1])
        #expect(Set(Self.spread(some, [(2, 2)], requests: 50)) == [2])
    }
}
