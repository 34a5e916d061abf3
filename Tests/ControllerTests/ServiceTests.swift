import AgentProtocol
import ControlAPI
import Controller
import SidekickModel
import Testing

@Suite struct ServiceTests {
    @Test func `an applied service becomes orders for a host, and its reports become its status`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            let result = try await fixture.apply(webSpec())
            #expect(result.outcome == .created)
            #expect(result.revision == 1)
            #expect(result.rollout != nil)
            try await eventually("two replicas serve") { agent.now.online.count == 2 }
            let order = try #require(agent.now.assignments.values.first)
            #expect(order.imageDigest == "sha256:web:1")
            #expect(order.spec == webSpec())
            try await eventually("the first revision has proved itself") {
                try await fixture.client.service("web").rollout?.phase == .succeeded
            }
            let status = try await fixture.client.service("web")
            #expect(status.record.stableRevision == 1)
            #expect(status.record.desiredOnline == 2)
            #expect(status.replicas.filter { $0.observed?.ready == true }.count == 2)
            let route = try #require(agent.now.routes["web"])
            #expect(route.ingress == [IngressRule(host: "web.example.com")])
            #expect(route.concurrency == 4)
            #expect(route.maxOnline == 10)
            #expect(route.revision == 1)
            let hosts = try await fixture.client.hosts()
            #expect(hosts.map(\.liveness) == ["alive"])
            #expect(hosts.map(\.online) == [2])
            #expect(try await fixture.client.events().contains { $0.kind == .hostJoined && $0.host == "host-a" })
        }
    }

    @Test func `applying the same again changes nothing, and a dry run says what it would change`() async throws {
        try await Fixture.run { fixture in
            _ = try await fixture.apply(webSpec())
            let again = try await fixture.apply(webSpec())
            #expect(again.outcome == .unchanged)
            #expect(again.changes.isEmpty)
            var changed = webSpec("web:2")
            changed.replicas.max = 5
            let dry = try await fixture.client.apply(ApplyRequest(services: [changed], dryRun: true))
            #expect(dry.map(\.outcome) == [.updated])
            #expect(
                dry[0].changes == [
                    .init(key: "image", before: "web:1", after: "web:2"),
                    .init(key: "replicas.max", before: "10", after: "5"),
                    .init(key: "image (content)", before: "sha256:web:1", after: "sha256:web:2"),
                ])
            #expect(try await fixture.client.service("web").record.revision == 1)
        }
    }

    @Test func `scaling fixes the count until it is handed back`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec())
            try await eventually("two serve") { agent.now.online.count == 2 }
            let scaled = try await fixture.client.scale("web", ScaleRequest(online: 4))
            #expect(scaled.record.manualOnline == 4)
            try await eventually("four serve") { agent.now.online.count == 4 }
            try await eventually("the gateways know the bound") { agent.now.routes["web"]?.maxOnline == 4 }
            await #expect(throws: APIFailure.self) { try await fixture.client.scale("web", ScaleRequest(online: 11)) }
            let automatic = try await fixture.client.scale("web", ScaleRequest(online: nil))
            #expect(automatic.record.manualOnline == nil)
            #expect(automatic.record.desiredOnline == 4)
        }
    }

    @Test func `an unknown image, an invalid spec and an unknown service are told by name, and nothing is made`() async throws {
        try await Fixture.run { fixture in
            await #expect {
                try await fixture.apply(webSpec("web:9"))
            } throws: { error in
                let failure = error as? APIFailure
                return failure?.code == .notFound && failure?.message.contains("web:9") == true
            }
            await #expect {
                var spec = webSpec()
                spec.replicas.min = 20
                return try await fixture.apply(spec)
            } throws: { error in
                let failure = error as? APIFailure
                return failure?.code == .invalid && failure?.issues.first?.key == "replicas.min"
            }
            await #expect { try await fixture.client.service("nope") } throws: { ($0 as? APIFailure)?.code == .notFound }
            let services = try await fixture.client.services()
            #expect(services.isEmpty)
        }
    }

    @Test func `a change based on an older version is a conflict`() async throws {
        try await Fixture.run { fixture in
            let created = try await fixture.client.apply(ApplyRequest(services: [webSpec()], expectedVersion: 0))
            #expect(created.map(\.resourceVersion) == [1])
            let second = try await fixture.client.apply(ApplyRequest(services: [webSpec(online: 3)], expectedVersion: 1))
            #expect(second.map(\.resourceVersion) == [2])
            for stale: Int64 in [0, 1] {
                await #expect {
                    try await fixture.client.apply(ApplyRequest(services: [webSpec(online: 4)], expectedVersion: stale))
                } throws: {
                    ($0 as? APIFailure)?.code == .conflict
                }
            }
            #expect(try await fixture.client.service("web").spec.replicas.min == 3)
        }
    }

    @Test func `a deleted service's replicas go, then the service and its route`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec())
            try await eventually("two serve") { agent.now.online.count == 2 }
            let ids = Set(agent.now.assignments.keys)
            #expect(try await fixture.client.delete("web").record.deleting)
            try await eventually("the service is gone") { try await fixture.client.services().isEmpty }
            try await eventually("the agent may forget both") { agent.now.forgotten == ids }
            try await eventually("the route is gone") { agent.now.routes.isEmpty }
            let created = try await fixture.apply(webSpec())
            #expect(created.outcome == .created)
        }
    }

    @Test func `a deleted service's volumes go only when that is asked for, after its replicas`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            for wish in [false, true] {
                _ = try await fixture.apply(webSpec())
                try await eventually("two serve") { agent.now.online.count == 2 }
                #expect(try await fixture.client.delete("web", volumes: wish).record.deleting)
                try await eventually("the service is gone") { try await fixture.client.services().isEmpty }
                try await eventually("the route is gone") { agent.now.routes.isEmpty }
                #expect(agent.now.lostVolumes == (wish ? ["web"] : []))
            }
            try await eventually("the event says so") {
                try await fixture.client.events().contains { $0.message.hasPrefix("its named volumes are removed on 1 host") }
            }
        }
    }

    @Test func `a deletion that could not be recorded leaves the volumes to the next one's wish`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec())
            try await eventually("two serve") { agent.now.online.count == 2 }
            try fixture.sql("create trigger no before update on services when new.deleting begin select raise(abort, 'no'); end")
            await #expect(throws: APIFailure.self) { try await fixture.client.delete("web", volumes: true) }
            try fixture.sql("drop trigger no")
            #expect(try await fixture.client.delete("web").record.deleting)
            try await eventually("the service is gone") { try await fixture.client.services().isEmpty }
            try await eventually("the route is gone") { agent.now.routes.isEmpty }
            #expect(agent.now.lostVolumes == [])
        }
    }

    @Test func `held requests raise the count from zero at once, and the decision says why`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            var spec = webSpec(online: 0)
            spec.replicas.standby = .auto
            _ = try await fixture.apply(spec)
            try await eventually("the first revision has proved itself and gone to standby") {
                agent.sendLoad("web", inflight: 0)
                let status = try await fixture.client.service("web")
                return status.rollout?.phase == .succeeded && agent.now.online.isEmpty && !agent.now.observed.isEmpty
            }
            agent.sendLoad("web", inflight: 3, queue: 3, wait: 0.05)
            try await eventually("one serves") { agent.now.online.count >= 1 }
            let status = try await fixture.client.service("web")
            #expect(status.record.desiredOnline >= 1)
            let decisions = try await fixture.client.decisions("web")
            let raise = try #require(decisions.last { $0.onlineBefore == 0 && $0.onlineAfter >= 1 })
            #expect(!raise.reason.isEmpty)
            #expect(!raise.inputs.isEmpty)
        }
    }

    @Test func `logs come from the replica's host, end when it says so, and stop when the reader does`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec(online: 1))
            try await eventually("one serves") { agent.now.online.count == 1 }
            let replica = try #require(agent.now.online.first?.replica)
            let reading = Task {
                var bytes: [UInt8] = []
                for try await piece in fixture.client.logs(replica) { bytes += piece }
                return String(decoding: bytes, as: UTF8.self)
            }
            try await eventually("the agent is asked") { agent.now.logRequests.count == 1 }
            agent.send(.logs(request: agent.now.logRequests[0], bytes: Array("one\n".utf8), end: false, failure: nil))
            agent.send(.logs(request: agent.now.logRequests[0], bytes: Array("two\n".utf8), end: true, failure: nil))
            #expect(try await reading.value == "one\ntwo\n")

            let following = Task { for try await _ in fixture.client.logs(replica, follow: true) {} }
            try await eventually("the agent is asked again") { agent.now.logRequests.count == 2 }
            agent.send(.logs(request: agent.now.logRequests[1], bytes: Array("three\n".utf8), end: false, failure: nil))
            following.cancel()
            try await eventually("the agent is told to stop") {
                agent.send(.logs(request: agent.now.logRequests[1], bytes: Array("more\n".utf8), end: false, failure: nil))
                return agent.now.cancelledLogs == [agent.now.logRequests[1]]
            }
            await #expect {
                for try await _ in fixture.client.logs(ReplicaID(999)) {}
            } throws: {
                ($0 as? APIFailure)?.code == .notFound
            }
        }
    }
}
