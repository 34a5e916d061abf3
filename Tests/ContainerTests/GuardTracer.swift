import Glibc
import LinuxShims
import Testing

/// strace beside a guard, which is thereby slow, or dies, at a chosen system call.
struct GuardTracer {
    static let isInstalled = access("/usr/bin/strace", X_OK) == 0

    private let pid: pid_t

    /// - Parameter injection: what strace's `-e inject=` takes, beginning with the system call, such as `ptrace:signal=KILL:when=2`.
    ///   Returns once the guard is traced.
    init(guard traced: Int32, injection: String) throws {
        let call = injection.prefix { $0 != ":" }
        let words = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e", "inject=\(injection)", "-p", "\(traced)"]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var started: pid_t = 0
        try #require(posix_spawn(&started, "/usr/bin/strace", nil, nil, arguments, environ) == 0)
        pid = started
        // Traced, and waiting again after the stop that this begins with.
        for _ in 0..<10_000 {
            let status = text("/proc/\(traced)/status")
            if status.contains("TracerPid:\t\(started)\n"), status.contains("State:\tS") { return }
            usleep(1_000)
        }
        Issue.record("strace does not trace guard \(traced)")
    }

    /// Lets the guard go on alone.
    func end() {
        kill(pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }

    /// A connection to the only guard whose socket lies in this directory.
    static func connect(runDirectory path: String) throws -> Int32 {
        let name = try #require(EngineTests.entries(path).first { $0.hasSuffix(".sock") })
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(directory) }
        let connection = sk_message_connect(directory, name)
        try #require(connection >= 0)
        return connection
    }
}
