import ControllerStore
import Glibc
import Orchestration
import SidekickModel
import Testing

/// What is special about the store in SQLite: what an operator sees, and what happens to a disk.
@Suite struct SQLiteStoreTests {
    let scratch = ScratchDirectory()
    private var database: String { scratch.path + "/state.db" }

    @Test func `sqlite3 answers what is wanted of each service while the controller runs`() async throws {
        let store = try await SQLiteStore(directory: scratch.path)
        _ = try await store.commit(newService("web", online: 3) + newService("api", online: 0), now: .start)
        _ = try await store.commit([.counts(service: "web", online: 5, standby: 2)], now: .start)
        let answer = Shell.run("sqlite3", database, "select name, desired_online, desired_standby from services order by name")
        #expect(answer == "api|0|0\nweb|5|2\n")
        #expect(Shell.run("sqlite3", database, "pragma journal_mode") == "wal\n")
        try await store.close()
    }

    @Test func `a damaged database is refused with what to do`() async throws {
        let store = try await SQLiteStore(directory: scratch.path)
        for index in 0..<50 { _ = try await store.commit(newService("s\(index)"), now: .start) }
        try await store.close()
        #expect(Shell.run("stat", "-c", "%a", database) == "600\n")
        let file = try #require(fopen(database, "r+"))
        fseek(file, 8192, SEEK_SET)
        fwrite([UInt8](repeating: 0xa5, count: 40_000), 1, 40_000, file)
        fclose(file)
        await #expect {
            try await SQLiteStore(directory: scratch.path)
        } throws: { error in
            let error = error as? StoreError
            return error?.code == .corrupt && error?.message.contains("backup") == true
        }
    }

    @Test func `a database of a newer version is refused untouched`() async throws {
        try await SQLiteStore(directory: scratch.path).close()
        _ = Shell.run("sqlite3", database, "insert into grdb_migrations values ('2999-01 from the future')")
        await #expect {
            try await SQLiteStore(directory: scratch.path)
        } throws: {
            ($0 as? StoreError)?.code == .tooNew
        }
        #expect(Shell.run("sqlite3", database, "select value from settings where name = 'epoch'") == "1\n")
    }

    @Test func `a full disk is told as such, loses nothing, and writing goes on once there is room`() async throws {
        try #require(mount("tmpfs", scratch.path, "tmpfs", 0, "size=1m") == 0, "this test needs root")
        defer { umount2(scratch.path, Int32(MNT_DETACH)) }
        let store = try await SQLiteStore(directory: scratch.path)
        _ = try await store.commit(newService(), now: .start)
        let ballast = scratch.path + "/ballast"
        var acknowledged = 0
        var refusal: StoreError?
        let filler = String(repeating: "x", count: 20_000)
        while refusal == nil, acknowledged < 200 {
            do throws(StoreError) {
                _ = try await store.commit(
                    [
                        .action(.create(service: "web", revision: 1, host: "a", desired: .rung(.online))),
                        .action(.event(FleetEvent(at: .start, kind: .scaled, message: filler))),
                    ], now: .start)
                acknowledged += 1
                if acknowledged == 3 { _ = Shell.run("dd", "if=/dev/zero", "of=\(ballast)", "bs=1k", "count=600") }
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.code == .full, "\(String(describing: refusal))")
        #expect(try await store.load().replicas.count == acknowledged)
        unlink(ballast)
        _ = try await store.commit(
            [.action(.create(service: "web", revision: 1, host: "a", desired: .rung(.online)))], now: .start)
        #expect(try await store.load().replicas.count == acknowledged + 1)
        try await store.close()
    }

    @Test func `a disk that cannot be written is told as such`() async throws {
        try #require(mount("tmpfs", scratch.path, "tmpfs", 0, "size=4m") == 0, "this test needs root")
        defer { umount2(scratch.path, Int32(MNT_DETACH)) }
        try await SQLiteStore(directory: scratch.path).close()
        // A child that another test starts may hold a descriptor of the database until it executes its program.
        var attempts = 0
        while mount("tmpfs", scratch.path, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) != 0 {
            attempts += 1
            try #require(attempts < 500 && errno == EBUSY, "remounting: \(String(cString: strerror(errno)))")
            try await Task.sleep(for: .milliseconds(10))
        }
        await #expect {
            try await SQLiteStore(directory: scratch.path)
        } throws: {
            ($0 as? StoreError)?.code == .readOnly
        }
    }
}
