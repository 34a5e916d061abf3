import ControlAPI
import SidekickModel
import Testing

@Suite struct HostTests {
    @Test func `a drained host's replicas move, and it can be removed once it is empty`() async throws {
        try await Fixture.run { fixture in
            let a = try await fixture.agent("a")
            let b = try await fixture.agent("b")
            _ = try await fixture.apply(webSpec(online: 4))
            try await eventually("both have two") { a.now.online.count == 2 && b.now.online.count == 2 }
            await #expect {
                try await fixture.client.host("a", HostRequest(action: .remove))
            } throws: { error in
                let failure = error as? APIFailure
                return failure?.code == .conflict && failure?.message.contains("drain") == true
            }
            let draining = try await fixture.client.host("a", HostRequest(action: .drain))
            #expect(draining.first { $0.record.name == "a" }?.record.draining == true)
            try await eventually("b has all") { b.now.online.count == 4 && a.now.assignments.isEmpty }
            let left = try await fixture.client.host("a", HostRequest(action: .remove))
            #expect(left.map(\.record.name) == ["b"])
            try await eventually("a's session is ended") { a.now.closed }
            await #expect {
                try await fixture.client.host("c", HostRequest(action: .cordon))
            } throws: {
                ($0 as? APIFailure)?.code == .notFound
            }
        }
    }

    @Test func `nothing new is placed on a cordoned host until that is taken back`() async throws {
        try await Fixture.run { fixture in
            let a = try await fixture.agent("a")
            let b = try await fixture.agent("b")
            _ = try await fixture.client.host("a", HostRequest(action: .cordon))
            _ = try await fixture.apply(webSpec(online: 2))
            try await eventually("b has both") { b.now.online.count == 2 }
            #expect(a.now.online.isEmpty)
            _ = try await fixture.client.host("a", HostRequest(action: .uncordon))
            _ = try await fixture.client.scale("web", ScaleRequest(online: 4))
            try await eventually("a has two") { a.now.online.count == 2 }
        }
    }
}
