import Glibc

/// A command that failed, with what it said.
struct CommandFailed: Error, CustomStringConvertible {
    var description: String
}

/// Another program, run to its end. Its output goes to a file, since a container keeps its runtime's output open.
struct Command {
    var words: [String]

    init(_ words: [String]) {
        self.words = words
    }

    func start(output: String = "/dev/null") throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var arguments: [UnsafeMutablePointer<CChar>?] = []
        for word in words { arguments.append(strdup(word)) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let refused = posix_spawnp(&pid, words[0], &actions, nil, &arguments, environ)
        guard refused == 0 else { throw CommandFailed(description: "\(words[0]): \(String(cString: strerror(refused)))") }
        return pid
    }

    func run(output: String = "/dev/null") throws {
        try Self.end(of: try start(output: output), words.joined(separator: " "), output: output)
    }

    static func end(of pid: pid_t, _ what: String, output: String = "/dev/null") throws {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw CommandFailed(description: "\(what): \(String(cString: strerror(errno)))") }
        }
        guard status == 0 else {
            throw CommandFailed(description: "\(what): status \(status): \(text(of: output) ?? "")")
        }
    }
}

/// A small file's text.
func text(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
    return String(decoding: bytes, as: UTF8.self)
}

/// Milliseconds of the clock that the measured program reads too.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1e6
}

func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }

/// Prints a line at once, also into a pipe.
func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = write(1, bytes, bytes.count)
}
