import ControllerStore
import Glibc
import Orchestration
import SidekickModel
import Testing

/// Kills a process in the midst of its writes, again and again: what it had acknowledged must be there afterwards.
///
/// The process is this test program once more, told by its environment to run only the writer below.
@Suite(.serialized) struct CrashTests {
    private static let variable = "SIDEKICK_STORE_WRITER"

    @Test(.enabled(if: getenv(CrashTests.variable) != nil))
    func writer() async throws {
        let directory = String(cString: try #require(getenv(Self.variable)))
        let store = try await SQLiteStore(directory: directory)
        let log = open(directory + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        if try await store.load().services.isEmpty { _ = try await store.commit(newService(), now: .start) }
        while true {
            let facts = try await store.commit(
                [
                    .action(.create(service: "web", revision: 1, host: "a", desired: .rung(.online))),
                    .action(.event(FleetEvent(at: .start, kind: .scaled, service: "web", message: "one more"))),
                ], now: .start)
            let line = "\(facts.replicas[0].id.number)\n"
            _ = line.withCString { write(log, $0, strlen($0)) }
        }
    }

    @Test(.disabled(if: getenv(CrashTests.variable) != nil))
    func `nothing acknowledged is lost when the process is killed mid-write`() async throws {
        let scratch = ScratchDirectory()
        var acknowledged: Set<Int64> = []
        for round in 0..<5 {
            let pid = try start(scratch.path)
            let enough = try await waitForLines(scratch.path + "/acknowledged", atLeast: acknowledged.count + 20)
            usleep(UInt32.random(in: 0..<3000))
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            try #require(enough, "the writer wrote nothing in round \(round), status \(status)")
            acknowledged = Set(lines(scratch.path + "/acknowledged").compactMap { Int64($0) })
            let store = try await SQLiteStore(directory: scratch.path)
            let fleet = try await store.load()
            let stored = Set(fleet.replicas.map(\.id.number))
            #expect(acknowledged.isSubset(of: stored), "lost \(acknowledged.subtracting(stored).sorted())")
            // At most the commit that was under way may be there unacknowledged, once per round.
            #expect(stored.count - acknowledged.count <= round + 1)
            #expect(store.epoch == Int64(2 * round + 2))
            try await store.close()
        }
    }

    private func start(_ directory: String) throws -> pid_t {
        let arguments = [CommandLine.arguments[0], "--testing-library", "swift-testing", "--filter", "CrashTests/writer"]
        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let variables: [UnsafeMutablePointer<CChar>?] = [
            strdup("\(Self.variable)=\(directory)"), strdup("PATH=/usr/bin:/bin"),
            getenv("LD_LIBRARY_PATH").map { strdup("LD_LIBRARY_PATH=" + String(cString: $0)) } ?? nil, nil,
        ]
        defer { (words + variables).forEach { free($0) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/proc/self/exe", &actions, nil, words, variables)
        try #require(code == 0, "starting the writer: \(String(cString: strerror(code)))")
        return pid
    }

    private func waitForLines(_ path: String, atLeast count: Int) async throws -> Bool {
        for _ in 0..<3000 {
            if lines(path).count >= count { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    private func lines(_ path: String) -> [Substring] {
        (Shell.run("cat", path) ?? "").split(separator: "\n")
    }
}
