import Agent
import AgentProtocol
import ContainerCore
import SidekickModel
import Testing

struct AgentServerTests {
    @Test func `an assignment comes online, is routed and reported`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let gateway = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.online))], [bench.route])
            let endpoints = try await gateway.endpoints("an endpoint") { !$0.isEmpty }
            #expect(endpoints.map(\.replica) == [ReplicaID(1)] && endpoints.map(\.draining) == [false])
            let report = try await bench.controller.observed.next("ready") { $0.ready }
            #expect(report.phase == .settled && report.rung == .online && report.generation == 1 && report.starts == 1)
            #expect(report.endpoint == endpoints.first?.address)
        }
    }

    @Test func `a held request wakes a standby while the controller is gone`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let gateway = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.prepared)), bench.order(2, .rung(.staged))], [bench.route])
            _ = try await bench.controller.observed.next("prepared") { $0.phase == .settled && $0.rung == .prepared }
            try await bench.controller.stop()
            try await gateway.held("web")
            let endpoints = try await gateway.endpoints("an endpoint") { !$0.isEmpty }
            #expect(endpoints.map(\.replica) == [ReplicaID(1)])
            #expect(await bench.runtime.calls.filter { $0.hasPrefix("start") } == ["start r1-1"])
            try await gateway.held("web", inflight: 2)
            _ = try await gateway.endpoints("a second endpoint") { $0.count == 2 }
        }
    }

    @Test func `a wake is reported as the host's own until a newer order`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let gateway = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.frozen))], [bench.route])
            _ = try await bench.controller.observed.next("frozen") { $0.phase == .settled && $0.rung == .frozen }
            try await gateway.held("web")
            _ = try await bench.controller.messages.next("the held notice") {
                if case .load(let samples) = $0 { samples.contains { $0.queue == 1 } } else { false }
            }
            _ = try await bench.controller.observed.next("woken") { $0.ready && $0.wokenLocally && $0.generation == 1 }
            try await bench.controller.send(.assignments([bench.order(1, .rung(.online), generation: 2)]))
            _ = try await bench.controller.observed.next("confirmed") { $0.ready && !$0.wokenLocally && $0.generation == 2 }
            #expect(await bench.runtime.calls.filter { $0.hasPrefix("start") } == ["start r1-1"])
        }
    }

    @Test func `a crash is reported and started again in a new container`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let gateway = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.online))], [bench.route])
            _ = try await gateway.endpoints("an endpoint") { !$0.isEmpty }
            await bench.runtime.crash("r1-1", code: 3)
            _ = try await gateway.endpoints("no endpoint") { $0.isEmpty }
            let report = try await bench.controller.observed.next("failed") { $0.phase == .failed }
            #expect(report.failure == "exited with code 3")
            _ = try await gateway.endpoints("an endpoint again") { !$0.isEmpty }
            let calls = await bench.runtime.calls
            #expect(calls.suffix(3) == ["remove r1-1", "prepare r1-2", "start r1-2"])
        }
    }

    @Test func `what exits at once keeps failing, ever more slowly, and says why`() async throws {
        try await AgentBench.run { bench in
            await bench.runtime.behave { $0.exitCode = 7 }
            try await bench.startAgent()
            try await bench.controller.sync([bench.order(1, .rung(.online))], [bench.route])
            for attempt in 1...3 {
                let report = try await bench.controller.observed.next("failure \(attempt)") {
                    $0.phase == .failed && $0.starts == attempt
                }
                #expect(report.failure == "exited with code 7" && !report.ready)
            }
        }
    }

    @Test func `an image that is not there is told as a failure`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            var order = bench.order(1, .rung(.online))
            order.imageDigest = "sha256:bad"
            try await bench.controller.sync([order], [bench.route])
            let report = try await bench.controller.observed.next("failed") { $0.phase == .failed }
            #expect(report.failure == "sha256:bad is not here")
        }
    }

    @Test func `removal drains, stops, removes, is reported, and forgotten when the controller says so`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let gateway = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.online))], [bench.route])
            _ = try await gateway.endpoints("an endpoint") { !$0.isEmpty }
            try await bench.controller.send(.assignments([bench.order(1, .removed, generation: 2)]))
            _ = try await gateway.endpoints("draining") { $0.first?.draining == true }
            #expect(await bench.runtime.calls.contains("signal r1-1 15") == false)
            try await gateway.send(.drained(ReplicaID(1)))
            _ = try await gateway.endpoints("no endpoint") { $0.isEmpty }
            let report = try await bench.controller.observed.next("removed") { $0.phase == .removed }
            #expect(report.generation == 2)
            #expect(await bench.runtime.calls.suffix(2) == ["signal r1-1 15", "remove r1-1"])
            try await bench.controller.send(.forget([ReplicaID(1)]))
            try await bench.controller.cutSession()
            #expect(try await bench.controller.sync([], [bench.route]).isEmpty)
        }
    }

    @Test func `a new session syncs and restarts nothing`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let gateway = try await bench.gateway()
            let orders = [bench.order(1, .rung(.online)), bench.order(2, .rung(.prepared))]
            try await bench.controller.sync(orders, [bench.route])
            _ = try await gateway.endpoints("an endpoint") { !$0.isEmpty }
            _ = try await bench.controller.observed.next("prepared") { $0.phase == .settled && $0.rung == .prepared }
            let calls = await bench.runtime.calls
            try await bench.controller.cutSession()
            let observed = try await bench.controller.sync(epoch: 2, orders + [bench.order(3, .rung(.staged))], [bench.route])
            #expect(observed.map(\.phase) == [.settled, .settled] && observed.first?.ready == true)
            _ = try await bench.controller.observed.next("staged") { $0.replica == ReplicaID(3) && $0.phase == .settled }
            #expect(await bench.runtime.calls == calls)
        }
    }

    @Test func `a session of an older epoch is refused`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            try await bench.controller.sync(epoch: 5, [bench.order(1, .rung(.staged))], [bench.route])
            _ = try await bench.controller.observed.next("staged") { $0.phase == .settled }
            try await bench.controller.cutSession()
            try await bench.controller.sync(epoch: 4, [], [])
            // It comes again instead of obeying.
            let observed = try await bench.controller.sync(epoch: 5, [bench.order(1, .rung(.staged))], [bench.route])
            #expect(observed.map(\.phase) == [.settled])
        }
    }

    @Test func `what a full sync does not name is removed`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            try await bench.controller.sync([bench.order(1, .rung(.prepared))], [bench.route])
            _ = try await bench.controller.observed.next("prepared") { $0.phase == .settled }
            try await bench.controller.cutSession()
            try await bench.controller.sync(epoch: 2, [], [])
            _ = try await bench.controller.observed.next("removed") { $0.phase == .removed }
            #expect(await bench.runtime.list().isEmpty)
        }
    }

    @Test func `a restarted agent takes over what runs, with no controller, and touches nothing`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            var gateway = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.online)), bench.order(2, .rung(.prepared))], [bench.route])
            let before = try await gateway.endpoints("an endpoint") { !$0.isEmpty }
            _ = try await bench.controller.observed.next("prepared") { $0.phase == .settled && $0.rung == .prepared }
            let pids = await bench.runtime.list().compactMap(\.pid).sorted()
            try await bench.controller.stop()
            await bench.stopAgent()
            let calls = await bench.runtime.calls

            try await bench.startAgent()
            gateway = try await bench.gateway()
            #expect(try await gateway.endpoints("the same endpoint") { !$0.isEmpty }.map(\.address) == before.map(\.address))
            #expect(await bench.runtime.calls.dropFirst(calls.count) == ["recover"])
            #expect(await bench.runtime.list().compactMap(\.pid).sorted() == pids)
            try await gateway.held("web", inflight: 2)
            _ = try await gateway.endpoints("the standby too") { $0.count == 2 }
        }
    }

    @Test func `a container whose order the journal has lost is taken over by its label`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            try await bench.controller.sync([bench.order(1, .rung(.prepared))], [bench.route])
            _ = try await bench.controller.observed.next("prepared") { $0.phase == .settled }
            await bench.stopAgent()
            try bench.loseJournal()
            try await bench.startAgent()
            let observed = try await bench.controller.sync([bench.order(1, .rung(.prepared))], [bench.route])
            #expect(observed.map(\.rung) == [.prepared])
            #expect(await bench.runtime.calls.last == "recover")
        }
    }

    @Test func `two agents never share a directory`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let error = await #expect(throws: AgentError.self) { try await bench.startAgent() }
            #expect(error?.code == .alreadyRunning)
        }
    }

    @Test func `a gateway that comes back gets the whole table`() async throws {
        try await AgentBench.run { bench in
            try await bench.startAgent()
            let first = try await bench.gateway()
            try await bench.controller.sync([bench.order(1, .rung(.online))], [bench.route])
            let before = try await first.endpoints("an endpoint") { !$0.isEmpty }
            try await first.stop()
            let second = try await bench.gateway()
            #expect(try await second.endpoints("the same endpoint") { _ in true } == before)
        }
    }

    @Test func `probes decide: http, exec, and a program that takes its time`() async throws {
        try await AgentBench.run { bench in
            await bench.runtime.behave { $0.bootDelay = .milliseconds(60) }
            try await bench.startAgent()
            let gateway = try await bench.gateway()
            let order = bench.order(1, .rung(.online)) {
                $0.health.startup = Probe()
                $0.health.startup?.http = "/healthz"
                $0.health.ready = Probe()
                $0.health.ready?.exec = ["true", "0"]
                $0.health.live = Probe()
                $0.health.live?.exec = ["false", "1"]
                $0.health.live?.every = Milliseconds(20)
                $0.health.live?.failures = 2
            }
            try await bench.controller.sync([order], [bench.route])
            _ = try await gateway.endpoints("an endpoint") { $0.first?.draining == false }
            let report = try await bench.controller.observed.next("not alive") { $0.phase == .failed }
            #expect(report.failure == "not alive: false exited with code 1")
            #expect((report.startTook ?? Milliseconds(0)) >= Milliseconds(60))
        }
    }
}
