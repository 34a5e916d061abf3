import ControlAPI
import SidekickModel
import Synchronization
import Testing

@Suite struct WatchTests {
    @Test func `a watcher sees what is, then every change, and the end of a service`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec(online: 1))
            let seen = Mutex<[WatchItem]>([])
            let watching = Task {
                for try await item in fixture.client.watch() { seen.withLock { $0.append(item) } }
            }
            try await eventually("what is there already comes first") {
                seen.withLock { if case .service(let status)? = $0.first { status.record.name == "web" } else { false } }
            }
            _ = try await fixture.client.scale("web", ScaleRequest(online: 3))
            try await eventually("three ready replicas are seen") {
                seen.withLock { items in
                    items.contains { item in
                        if case .service(let status) = item {
                            status.replicas.count { $0.observed?.ready == true } == 3
                        } else {
                            false
                        }
                    }
                }
            }
            #expect(agent.now.online.count == 3)
            _ = try await fixture.client.delete("web")
            try await eventually("its end is seen") { seen.withLock { $0.contains(.serviceGone("web")) } }
            let kinds = seen.withLock { $0.compactMap { if case .event(let event) = $0 { event.kind } else { nil } } }
            #expect(kinds.contains(.scaled))
            #expect(kinds.contains(.serviceDeleted))
            watching.cancel()
        }
    }

    @Test func `a watcher's stream ends when the controller stops`() async throws {
        let fixture = Fixture()
        defer { fixture.erase() }
        try await fixture.start()
        let ended = Task { for try await _ in fixture.client.watch() {} }
        try await eventually("it watches") { (try? await fixture.client.health()) != nil }
        await fixture.stop()
        _ = await ended.result
    }
}
