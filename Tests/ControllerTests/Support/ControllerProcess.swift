import Glibc
import Testing

/// A controller in a process of its own, to be killed: this test program once more, told by its environment to run only
/// `KilledControllerTests/controller`.
struct ControllerProcess {
    static let variable = "SIDEKICK_CONTROLLER_DIRECTORY"

    let port: Int
    private let pid: pid_t

    /// Starts it on the fixture's directory; returns once it serves.
    init(_ fixture: Fixture) async throws {
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
        try await eventually("the controller serves") { Self.port(fixture) != nil }
        self.pid = pid
        port = try #require(Self.port(fixture))
    }

    /// With SIGKILL, and waits for its end.
    func kill() {
        Glibc.kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    private static func port(_ fixture: Fixture) -> Int? {
        guard let file = fopen(fixture.directory + "/port", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        return Int(String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}
