import ControlAPI
import Controller
import ControllerStore
import Glibc
import SidekickModel
import Testing

@Suite struct BackupTests {
    @Test func `a backup is made at work, restored, and the agents take the restored controller for a newer one`() async throws {
        try await Fixture.run { fixture in
            let agent = try await fixture.agent()
            _ = try await fixture.apply(webSpec(online: 2))
            try await eventually("it is settled") { try await fixture.client.service("web").rollout?.phase == .succeeded }
            let copy = fixture.directory + "/copy.db"
            let summary = try await fixture.client.backup(BackupRequest(path: copy))
            #expect(summary.size > 0)
            await #expect {
                try await fixture.client.backup(BackupRequest(path: copy))
            } throws: {
                ($0 as? APIFailure)?.code == .conflict
            }
            await #expect {
                try await SQLiteStore.restore(copy, into: fixture.configuration.stateDirectory)
            } throws: {
                ($0 as? StoreError)?.code == .inUse
            }
            let epoch = agent.now.epoch
            let before = agent.now.online.map(\.replica)
            await fixture.stop()
            try await eventually("the session ended") { agent.now.closed }

            // What was there is lost; the backup comes in its place.
            try await SQLiteStore.restore(copy, into: fixture.configuration.stateDirectory)
            try await fixture.start()
            try await agent.connect(port: fixture.port)
            try await eventually("in session with a later epoch") { agent.now.epoch > epoch + 1000 }
            try await eventually("the same replicas serve") {
                try await fixture.client.service("web").replicas.count { $0.observed?.ready == true } == 2
            }
            #expect(agent.now.online.map(\.replica) == before)
            _ = try await fixture.client.scale("web", ScaleRequest(online: 3))
            try await eventually("a third serves") { agent.now.online.count == 3 }
            let newest = try #require(agent.now.online.map(\.replica).max())
            #expect(newest.number > before.map(\.number).max() ?? 0 + 1000)
        }
    }

    @Test func `a damaged backup is refused and what is there stays`() async throws {
        let fixture = Fixture()
        defer { fixture.erase() }
        try await fixture.start()
        _ = try await fixture.apply(webSpec())
        let copy = fixture.directory + "/copy.db"
        _ = try await fixture.client.backup(BackupRequest(path: copy))
        await fixture.stop()
        let file = try #require(fopen(copy, "r+"))
        fseek(file, 4096, SEEK_SET)
        fwrite([UInt8](repeating: 0x5a, count: 30_000), 1, 30_000, file)
        fclose(file)
        await #expect {
            try await SQLiteStore.restore(copy, into: fixture.configuration.stateDirectory)
        } throws: {
            ($0 as? StoreError)?.code == .corrupt
        }
        try await fixture.start()
        #expect(try await fixture.client.service("web").record.revision == 1)
        await fixture.stop()
    }
}
