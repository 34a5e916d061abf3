import ControlAPI
import Foundation
import LoadGenerator
import SidekickModel
import Testing

/// Each daemon killed with -9 under load, with a ledger of every request.
@Suite(.serialized) struct KilledDaemonTests {
    /// A standalone host serving the example at a steady rate; everything of it is gone afterwards.
    private func withServingHost(_ body: (StandaloneHost) async throws -> Void) async throws {
        try await StandaloneHost.run { host in
            try await host.startWithExample(["min: 0": "min: 2"])
            try await host.must("wait", "hello", "--for", "settled")
            try await body(host)
        }
    }

    private func pids(_ host: StandaloneHost) async throws -> [ReplicaID: Int] {
        var pids: [ReplicaID: Int] = [:]
        for replica in try await host.client.service("hello").replicas where replica.observed?.ready == true {
            pids[replica.record.id] = replica.observed?.pid
        }
        return pids
    }

    @Test func `an agent killed under load fails no request and takes its containers over again`() async throws {
        try await withServingHost { host in
            let before = try await pids(host)
            #expect(before.count >= 2)
            let agent = try host.pid(of: "agent")
            let (report, _) = try await host.underLoad(rate: 200, seconds: 8) {
                kill(agent, SIGKILL)
                _ = try await eventually("another agent runs", within: 5) {
                    (try? host.pid(of: "agent")) ?? agent
                } until: {
                    $0 != agent
                }
            }
            expectNoneFailed(report)
            let after = try await eventually("the same replicas are reported ready") {
                try await pids(host)
            } until: {
                $0.count >= before.count
            }
            for (replica, pid) in before { #expect(after[replica] == pid, "\(replica) was restarted") }
        }
    }

    @Test func `a controller killed under load fails no request and forgets nothing acknowledged`() async throws {
        try await withServingHost { host in
            let controller = try host.pid(of: "controller")
            let acknowledged = try await host.client.scale("hello", ScaleRequest(online: 3)).record
            let before = try await pids(host)
            let (report, _) = try await host.underLoad(rate: 200, seconds: 8) {
                kill(controller, SIGKILL)
                _ = try await eventually("another controller answers", within: 10) {
                    try? await host.client.service("hello")
                } until: {
                    $0 != nil
                }
            }
            expectNoneFailed(report)
            let status = try await host.client.service("hello")
            #expect(status.record.manualOnline == acknowledged.manualOnline)
            #expect(status.record.desiredOnline == 3)
            #expect(status.record.revision == acknowledged.revision)
            try await host.must("wait", "hello", "--for", "settled")
            let after = try await pids(host)
            for (replica, pid) in before { #expect(after[replica] == pid, "\(replica) was restarted") }
        }
    }

    @Test func `a killed gateway is serving again within a second and no container is touched`() async throws {
        try await withServingHost { host in
            let before = try await pids(host)
            let gateway = try host.pid(of: "gateway")
            let probe = try LoadPlan(url: host.url + "/")
            kill(gateway, SIGKILL)
            let start = ContinuousClock.now
            _ = try await eventually("the new gateway answers", within: 1, every: 5) {
                try await answers(probe)
            } until: {
                $0
            }
            print("gateway serving again after \(ContinuousClock.now - start)")
            let (report, _) = try await host.underLoad(rate: 100, seconds: 3) {}
            expectNoneFailed(report)
            let after = try await pids(host)
            for (replica, pid) in before { #expect(after[replica] == pid, "\(replica) was restarted") }
        }
    }

    private func answers(_ plan: LoadPlan) async throws -> Bool {
        var plan = plan
        plan.mode = .closed(connections: 1)
        plan.timeout = Milliseconds(500)
        plan.phases = [LoadPhase(name: "one", rate: 1, duration: Milliseconds(20))]
        let report = try await LoadRun(plan).run()
        return report.total.answered > 0 && report.total.failed == 0
    }
}
