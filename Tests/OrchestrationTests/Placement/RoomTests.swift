import Orchestration
import SidekickModel
import Testing

/// What replicas hold of a host, and what is said when no host has room.
struct RoomTests {
    private static func resources() -> Resources {
        var resources = Resources()
        resources.cpu = MilliCPU(500)
        resources.memory = .mebibytes(64)
        return resources
    }

    private static func seen(
        _ rung: Rung?, _ phase: ObservedReplica.Phase = .settled, woken: Bool = false
    ) -> ObservedReplica {
        var seen = ObservedReplica(replica: ReplicaID(1), service: "web", revision: 1, generation: 1, phase: phase)
        seen.rung = rung
        seen.wokenLocally = woken
        return seen
    }

    @Test(
        arguments: [
            (DesiredState.rung(.online), nil, true, true), (.rung(.frozen), nil, false, true),
            (.rung(.prepared), nil, false, false),
            (.rung(.staged), nil, false, false), (.removed, nil, false, false),
            (.rung(.online), seen(.prepared, .starting), true, true), (.rung(.prepared), seen(.prepared), false, false),
            (.rung(.prepared), seen(.online, woken: true), true, true),
            (.rung(.prepared), seen(.prepared, .starting, woken: true), true, true),
            (.rung(.prepared), seen(.online, .draining), false, true), (.removed, seen(.online, .draining), false, true),
            (.removed, seen(nil, .stopping), false, true), (.removed, seen(nil, .removed), false, false),
            (.removed, seen(.online, woken: true), false, true),
        ] as [(DesiredState, ObservedReplica?, Bool, Bool)])
    func `only what is wanted or woken online holds cpu, and only what has a process holds memory`(
        desired: DesiredState, observed: ObservedReplica?, cpu: Bool, memory: Bool
    ) {
        let held = Reservation(Self.resources(), desired: desired, observed: observed)
        #expect(held == Reservation(cpu: cpu ? 500 : 0, memory: memory ? 64 << 20 : 0))
    }

    /// One service `web` that declares 500m and 64MiB, on hosts with room for `slots` online replicas each.
    private func fleet(slots: [Int64], online: Int, standby: Int = 0) -> FakeFleet {
        var fleet = FakeFleet(seed: 1, hosts: slots.count)
        for (index, count) in slots.enumerated() { fleet.capacity["h\(index + 1)"] = MilliCPU(500 * count) }
        fleet.revisions[1]?.spec.resources = Self.resources()
        fleet.record.desiredOnline = online
        fleet.record.desiredStandby = standby
        return fleet
    }

    private func run(_ fleet: inout FakeFleet, steps: Int = 100) {
        for _ in 0..<steps {
            fleet.runAgents()
            fleet.reconcile()
        }
        #expect(fleet.problems.isEmpty, "\(fleet.log.suffix(8).joined(separator: "\n"))")
    }

    private func rollOut(_ fleet: inout FakeFleet) {
        fleet.addRevision { $0.image = "web:2" }
        fleet.startRollout()
    }

    @Test func `standbys fit beside replicas that use all of a host's cpu`() {
        var fleet = fleet(slots: [2], online: 2, standby: 2)
        run(&fleet)
        #expect(fleet.replicas.count == 4)
        #expect(fleet.events(.noRoom).isEmpty)
    }

    @Test func `a standby on a full host stays down in favour of another host`() {
        var fleet = fleet(slots: [1, 1], online: 0, standby: 1)
        run(&fleet)
        let full = fleet.replicas.values.map(\.host)
        #expect(full.count == 1)
        for host in full { fleet.foreign[host] = MilliCPU(500) }
        fleet.record.desiredOnline = 1
        run(&fleet)
        let online = fleet.replicas.values.filter { $0.desired == .rung(.online) }
        #expect(online.map(\.host) == ["h1", "h2"].filter { !full.contains($0) })
        #expect(fleet.events(.noRoom).isEmpty)
    }

    @Test func `a replica its host woke is adopted though the host is full`() {
        var fleet = fleet(slots: [1], online: 0, standby: 1)
        run(&fleet)
        fleet.foreign["h1"] = MilliCPU(500)
        fleet.wakeSomething()
        fleet.record.desiredOnline = 1
        run(&fleet)
        #expect(fleet.replicas.values.count { fleet.isReady($0.id) } == 1)
    }

    @Test func `a rollout without room for its surge says so once, fails at its deadline saying so, and leaves all as it was`() {
        var fleet = fleet(slots: [2], online: 2)
        run(&fleet)
        let before = Set(fleet.replicas.keys)
        rollOut(&fleet)
        run(&fleet, steps: 40)
        let sentence = "web needs 500m cpu and 64MiB memory, h1 has 0 of 1 cpu and 63GiB of 64GiB memory free"
        #expect(fleet.rollout?.reason == "apply; waiting for room: \(sentence)")
        #expect(fleet.events(.noRoom).map(\.message) == ["waiting for room: \(sentence)"])
        #expect(fleet.events(.noRoom).first?.host == "h1")
        run(&fleet, steps: 4000)
        #expect(fleet.rollout?.phase == .rolledBack)
        #expect(fleet.rollout?.reason.contains("for want of room: \(sentence); returning to revision 1") == true)
        #expect(fleet.events(.noRoom).count == 1)
        #expect(fleet.events(.roomFound).count == 1)
        #expect(Set(fleet.replicas.keys) == before)
    }

    @Test func `a rollout goes on once there is room, and its reason no longer speaks of it`() {
        var fleet = fleet(slots: [2], online: 2)
        run(&fleet)
        rollOut(&fleet)
        run(&fleet, steps: 40)
        fleet.capacity["h1"] = MilliCPU(1500)
        fleet.runAgents()
        fleet.reconcile()
        #expect(fleet.rollout?.reason == "apply")
        run(&fleet, steps: 400)
        #expect(fleet.rollout?.phase == .succeeded)
        #expect(fleet.events(.noRoom).count == 1)
        #expect(fleet.events(.roomFound).count == 1)
    }

    @Test func `where a replica may be missing, a full host exchanges one after the other and waits for nothing`() {
        var fleet = fleet(slots: [2], online: 2)
        fleet.revisions[1]?.spec.rollout.maxUnavailable = 1
        run(&fleet)
        rollOut(&fleet)
        run(&fleet, steps: 400)
        #expect(fleet.rollout?.phase == .succeeded, "\(fleet.log.suffix(12).joined(separator: "\n"))")
        #expect(fleet.events(.noRoom).isEmpty)
    }

    @Test func `more load than there is room for is told too, outside any rollout`() {
        var fleet = fleet(slots: [2], online: 2)
        run(&fleet)
        fleet.record.desiredOnline = 3
        run(&fleet)
        #expect(fleet.events(.noRoom).count == 1)
        #expect(fleet.rollout?.phase == .succeeded)
        fleet.record.desiredOnline = 2
        run(&fleet)
        #expect(fleet.events(.roomFound).count == 1)
    }

    @Test func `a closed fleet is named as such, and a silent host says nothing about room`() {
        var closed = fleet(slots: [2], online: 1)
        closed.hosts["h1"]?.cordoned = true
        run(&closed, steps: 4)
        #expect(
            closed.events(.noRoom).map(\.message) == [
                "waiting for room: web needs 500m cpu and 64MiB memory, but no host is connected and open for new replicas"
            ])
        var silent = fleet(slots: [2], online: 1)
        silent.setHost("h1", up: false)
        run(&silent, steps: 4)
        #expect(silent.events(.noRoom).isEmpty)
    }
}
