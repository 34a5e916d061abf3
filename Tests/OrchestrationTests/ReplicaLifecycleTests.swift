import Orchestration
import SidekickModel
import Testing

struct ReplicaLifecycleTests {
    @Test func `an online replica climbs every rung and is routed when its startup probe passes`() {
        var host = LifecycleHost(.rung(.online))
        host.expect([.stage(digest: "sha256:1")])
        host.step(.staged)
        host.expect([.prepare(attempt: 1)])
        host.container(.prepared(endpoint: "10.0.0.2:80"))
        host.expect([.start(attempt: 1)])
        host.container(.started(pid: 7))
        host.expect([.startProbe(ProbeOrder(attempt: 1, kind: .startup, probe: host.connectProbe), eager: true)])
        host.now = host.now + Milliseconds(30)
        host.container(.probed(.startup, failure: nil))
        host.expect([.route(.ready("10.0.0.2:80")), .stopProbe(.startup)])
        let report = host.reported
        #expect(report?.phase == .settled && report?.rung == .online && report?.ready == true && report?.pid == 7)
        #expect(report?.starts == 1 && report?.startTook == Milliseconds(30))
    }

    @Test(arguments: [Rung.staged, .prepared, .frozen])
    func `a standby stops climbing at its rung and is woken from there`(rung: Rung) {
        var host = LifecycleHost(.rung(rung))
        host.settle()
        #expect(host.reported?.phase == .settled && host.reported?.rung == rung && host.reported?.ready == false)
        #expect(host.routing == .none)
        host.step(.wakeRequested)
        host.settle()
        #expect(host.reported?.rung == .online && host.reported?.wokenLocally == true && host.reported?.ready == true)
        host.order(.rung(.online))
        host.settle()
        #expect(host.reported?.wokenLocally == false && host.reported?.ready == true)
        #expect(host.lifecycle.memory.starts == 1)
    }

    @Test func `a thawed replica is routed at once`() {
        var host = LifecycleHost(.rung(.frozen))
        host.settle()
        host.step(.wakeRequested)
        host.expect([.thaw(attempt: 1)])
        host.container(.thawed)
        host.expect([.route(.ready("10.0.0.2:80"))])
    }

    @Test func `without a port it is online when the process runs, and never routed`() {
        var host = LifecycleHost(.rung(.online)) { $0.ports = [:] }
        host.endpoint = nil
        host.settle()
        #expect(host.reported?.phase == .settled && host.reported?.rung == .online && host.reported?.ready == false)
        host.order(.removed)
        host.expect([.signal(attempt: 1, name: "TERM")])
    }

    @Test func `a ready probe must pass once before the first request, then takes it in and out of routing`() {
        var host = LifecycleHost(.rung(.online)) { $0.health.ready = probe(failures: 2) }
        host.settle(until: .running)
        #expect(host.routing == .none && host.probes[.ready]?.eager == true)
        host.container(.probed(.ready, failure: nil))
        #expect(host.routing == .ready("10.0.0.2:80"))
        host.container(.probed(.ready, failure: "503"))
        host.container(.probed(.ready, failure: nil))
        host.container(.probed(.ready, failure: "503"))
        #expect(host.routing == .ready("10.0.0.2:80"))
        host.container(.probed(.ready, failure: "503"))
        #expect(host.routing == .draining("10.0.0.2:80"))
        #expect(host.reported?.failure == "not ready: 503")
        host.container(.probed(.ready, failure: nil))
        #expect(host.routing == .ready("10.0.0.2:80"))
    }

    @Test func `a ready probe that asks what the startup probe asked is not waited for`() {
        var host = LifecycleHost(.rung(.online)) {
            $0.health.startup = probe(failures: 1)
            $0.health.ready = probe(failures: 2)
        }
        host.settle(until: .running)
        #expect(host.routing == .ready("10.0.0.2:80") && host.probes[.ready]?.eager == false)
    }

    @Test func `a live probe that keeps failing restarts it`() {
        var host = LifecycleHost(.rung(.online)) { $0.health.live = probe(failures: 2) }
        host.settle()
        host.container(.probed(.live, failure: "hung"))
        host.container(.probed(.live, failure: "hung"))
        host.expect([.route(.draining("10.0.0.2:80")), .stopProbe(.live), .signal(attempt: 1, name: "TERM")])
        #expect(host.reported?.phase == .failed)
        host.settle()
        #expect(host.lifecycle.memory.attempt == 2 && host.reported?.ready == true)
    }

    @Test func `a start that takes too long fails and says what the probe saw`() {
        var host = LifecycleHost(.rung(.online))
        host.settle(until: .probing)
        host.container(.probed(.startup, failure: "connection refused"))
        host.passDeadline()
        host.expect([.stopProbe(.startup), .signal(attempt: 1, name: "TERM")])
        #expect(host.reported?.failure == "not started within 30s: connection refused")
        host.passDeadline()
        host.expect([.kill(attempt: 1)])
    }

    @Test func `an order to go offline drains, stops, removes and makes it again at the rung`() {
        var host = LifecycleHost(.rung(.online))
        host.settle()
        host.order(.rung(.prepared))
        host.expect([.route(.draining("10.0.0.2:80"))])
        #expect(host.reported?.phase == .draining)
        host.step(.drained)
        host.expect([.signal(attempt: 1, name: "TERM")])
        host.container(.exited(reason: "exited with code 0"))
        host.expect([.route(.none), .remove(attempt: 1)])
        host.container(.removed)
        host.expect([.prepare(attempt: 2)])
        host.settle()
        #expect(host.reported?.phase == .settled && host.reported?.rung == .prepared && host.reported?.failure == nil)
    }

    @Test func `an order to freeze drains and freezes where it stands`() {
        var host = LifecycleHost(.rung(.online))
        host.settle()
        host.order(.rung(.frozen))
        host.step(.drained)
        host.expect([.route(.none), .freeze(attempt: 1)])
    }

    @Test func `a drain ends at its deadline, a grace too`() {
        var host = LifecycleHost(.rung(.online))
        host.settle()
        host.order(.removed)
        host.passDeadline()
        host.expect([.signal(attempt: 1, name: "TERM")])
        host.passDeadline()
        host.expect([.kill(attempt: 1)])
        host.passDeadline()
        host.expect([.route(.none), .remove(attempt: 1)])
        host.container(.removed)
        #expect(host.reported?.phase == .removed)
    }

    @Test func `a drain is called off by a wake`() {
        var host = LifecycleHost(.rung(.online))
        host.settle()
        host.order(.rung(.prepared))
        #expect(host.lifecycle.wakeState == .leaving)
        host.step(.wakeRequested)
        host.expect([.route(.ready("10.0.0.2:80"))])
        host.step(.drained)
        host.expect([])
    }

    @Test func `only newer generations are obeyed`() {
        var host = LifecycleHost(.rung(.online))
        host.settle()
        var order = host.lifecycle.assignment
        order.desired = .removed
        host.step(.assigned(order))
        order.generation -= 1
        host.step(.assigned(order))
        host.expect([])
        #expect(host.routing == .ready("10.0.0.2:80"))
    }

    @Test func `a crash is retried after a wait that doubles up to a bound and is forgiven by good conduct`() {
        var host = LifecycleHost(.rung(.online))
        var waits: [Int64] = []
        for _ in 0..<10 {
            host.settle()
            host.container(.exited(reason: "exited with code 3"))
            #expect(host.routing == .none && host.reported?.phase == .failed && host.reported?.failure == "exited with code 3")
            waits.append(((host.lifecycle.deadline ?? .zero).nanoseconds - host.now.nanoseconds) / 1_000_000)
        }
        #expect(waits == [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000])
        host.settle()
        host.now = host.now + .seconds(31)
        host.container(.exited(reason: "exited with code 3"))
        #expect((host.lifecycle.deadline ?? .zero) - host.now == 0.2)
        #expect(host.reported?.starts == 11)
    }

    @Test func `the last line a failed program wrote is told with its failure`() {
        var host = LifecycleHost(.rung(.online))
        host.settle()
        host.container(.exited(reason: "exited with code 2"))
        host.container(.lastWords("panic: no database"))
        #expect(host.reported?.failure == "exited with code 2; it last wrote ‘panic: no database’")
    }

    @Test func `a restarted agent adopts what runs without touching it`() {
        var memory = ReplicaMemory()
        memory.attempt = 4
        memory.starts = 3
        memory.healthyAttempt = 4
        memory.wokenGeneration = 1
        let container = AdoptedContainer(attempt: 4, revision: 1, state: .running, pid: 9, endpoint: "10.0.0.2:80")
        let host = LifecycleHost(.rung(.prepared), memory: memory, container: container)
        host.expect([.route(.ready("10.0.0.2:80"))])
        #expect(host.reported?.wokenLocally == true && host.reported?.pid == 9 && host.reported?.starts == 3)
        #expect(host.reported?.startTook == nil)
    }

    @Test func `a replica that a full sync does not name goes`() {
        var host = LifecycleHost(.rung(.prepared))
        host.settle()
        host.step(.orphaned)
        host.settle()
        #expect(host.reported?.phase == .removed)
    }

    @Test func `events of an earlier container mean nothing`() {
        var host = LifecycleHost(.rung(.online))
        host.settle()
        host.container(.exited(reason: "exited with code 1"))
        host.settle()
        host.step(.container(attempt: 1, .exited(reason: "late")))
        host.step(.container(attempt: 1, .removed))
        host.expect([])
    }

    @Test func `refused connections take it out of routing until a connect succeeds`() {
        var host = LifecycleHost(.rung(.online))
        host.settle()
        for _ in 0..<3 { host.step(.unreachable) }
        #expect(host.routing == .draining("10.0.0.2:80") && host.probes[.ready] != nil)
        host.container(.probed(.ready, failure: nil))
        #expect(host.routing == .ready("10.0.0.2:80"))
    }
}

private func probe(failures: Int) -> Probe {
    var probe = Probe()
    probe.http = "/healthz"
    probe.failures = failures
    return probe
}
