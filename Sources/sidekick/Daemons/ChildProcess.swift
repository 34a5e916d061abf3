import Glibc

/// Starts one program and waits for its end, on the calling thread.
struct ChildProcess: Sendable {
    let pid: pid_t

    /// - Parameters:
    ///   - readyDescriptor: becomes descriptor 3 of the child, named to it by `ReadyNotice.variable`.
    ///   - variables: `NAME=value`, added to this process's environment.
    /// - Throws: `CommandFailure.failed` naming the program.
    init(program: String, arguments: [String], readyDescriptor: Int32? = nil, variables: [String] = []) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var variables = Self.environment + variables
        if let readyDescriptor {
            posix_spawn_file_actions_adddup2(&actions, readyDescriptor, 3)
            variables.append("\(ReadyNotice.variable)=3")
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The supervisor traps signals; the child starts with none ignored and none blocked. A group of its own keeps a terminal's ^C for
        // the supervisor, which stops its children in order.
        var every = sigset_t()
        sigfillset(&every)
        posix_spawnattr_setsigdefault(&attributes, &every)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        let words = ([program] + arguments).map { strdup($0) } + [nil]
        let environment = variables.map { strdup($0) } + [nil]
        defer { (words + environment).forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, &attributes, words, environment)
        guard code == 0 else { throw CommandFailure(.failed, "starting \(program): \(String(cString: strerror(code)))") }
        self.pid = pid
    }

    /// Waits for the end but leaves the process id taken until `reap`, so that nobody can signal a stranger by it.
    func wait() {
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) < 0, errno == EINTR {}
    }

    /// The exit code, or 128 + signal.
    func reap() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 { if errno != EINTR { return 127 } }
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }

    private static var environment: [String] {
        var variables: [String] = []
        var next = environ
        while let variable = next.pointee {
            let text = String(cString: variable)
            if !text.hasPrefix(ReadyNotice.variable + "=") { variables.append(text) }
            next += 1
        }
        return variables
    }
}

/// How a daemon tells whoever started it that it serves: one byte on a descriptor named by the environment.
enum ReadyNotice {
    static let variable = "SIDEKICK_READY_FD"

    static func announce() {
        guard let text = getenv(variable), let descriptor = Int32(String(cString: text)), descriptor > 2 else { return }
        var byte: UInt8 = 1
        _ = write(descriptor, &byte, 1)
        close(descriptor)
        unsetenv(variable)
    }
}
