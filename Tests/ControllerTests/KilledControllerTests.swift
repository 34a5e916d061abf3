import ControlAPI
import Controller
import Glibc
import Logging
import SidekickModel
import Testing

/// Kills a controller that is at work. It is this test program once more, told by its environment to run only the first test.
@Suite(.serialized) struct KilledControllerTests {
    private static let variable = "SIDEKICK_CONTROLLER_DIRECTORY"

    @Test(.enabled(if: getenv(KilledControllerTests.variable) != nil))
    func controller() async throws {
        let directory = String(cString: try #require(getenv(Self.variable)))
        let fixture = Fixture(directory: directory)
        try await fixture.start()
        let file = try #require(fopen(directory + "/port.new", "w"))
        fputs("\(fixture.port)\n", file)
        fclose(file)
        rename(directory + "/port.new", directory + "/port")
        try await Task.sleep(for: .seconds(60))
    }

    @Test(.disabled(if: getenv(KilledControllerTests.variable) != nil))
    func `killed at work, a controller comes back with every acknowledged count, replica and rollout`() async throws {
        let fixture = Fixture()
        defer { fixture.erase() }
        let agent = FakeAgent()
        var pid = try await start(fixture)
        try await agent.connect(port: try #require(port(fixture)))
        _ = try await fixture.apply(webSpec())
        try await eventually("it is settled") { try await fixture.client.service("web").rollout?.phase == .succeeded }

        for round in 1...4 {
            let wanted = 2 + round
            #expect(try await fixture.client.scale("web", ScaleRequest(online: wanted)).record.desiredOnline == wanted)
            let spec = webSpec(round % 2 == 0 ? "web:1" : "web:2")
            let revision = try await fixture.apply(spec).revision
            // In the midst of what follows from it.
            usleep(UInt32.random(in: 0..<200_000))
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            try await eventually("the session ended") { agent.now.closed }
            let (before, epoch) = (agent.now.online.count, agent.now.epoch)

            pid = try await start(fixture)
            let held = try await fixture.client.service("web")
            #expect(held.record.revision == revision)
            #expect(held.record.desiredOnline == wanted)
            #expect(held.record.manualOnline == wanted)
            #expect(held.rollout?.to == revision)
            try await agent.connect(port: try #require(port(fixture)))
            try await eventually("it is in session") { agent.now.epoch == epoch + 1 }
            #expect(agent.now.online.count >= min(before, wanted))
            try await eventually("the rollout ends after all, round \(round)") {
                let now = try await fixture.client.service("web")
                return now.rollout?.phase == .succeeded
                    && agent.now.online.map(\.revision) == Array(repeating: revision, count: wanted)
            }
        }
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    private func start(_ fixture: Fixture) async throws -> pid_t {
        unlink(fixture.directory + "/port")
        let arguments = [
            CommandLine.arguments[0], "--testing-library", "swift-testing", "--filter", "KilledControllerTests/controller",
        ]
        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let variables: [UnsafeMutablePointer<CChar>?] = [
            strdup("\(Self.variable)=\(fixture.directory)"), strdup("PATH=/usr/bin:/bin"),
            getenv("LD_LIBRARY_PATH").map { strdup("LD_LIBRARY_PATH=" + String(cString: $0)) } ?? nil, nil,
        ]
        defer { (words + variables).forEach { free($0) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/proc/self/exe", &actions, nil, words, variables)
        try #require(code == 0, "starting a controller: \(String(cString: strerror(code)))")
        try await eventually("the controller serves") { port(fixture) != nil }
        return pid
    }

    private func port(_ fixture: Fixture) -> Int? {
        guard let file = fopen(fixture.directory + "/port", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        return Int(String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}
