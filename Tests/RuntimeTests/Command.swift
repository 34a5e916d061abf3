import Glibc

/// A program run to its end.
struct Command {
    var status: Int32
    var output: String
    var errors: String

    /// - Parameters:
    ///   - input: what it reads; nothing when nil.
    ///   - timeout: seconds after which it is killed, which shows as status 137.
    static func run(
        _ program: String, _ arguments: [String], input: String? = nil, directory: String? = nil,
        environment: [String: String] = [:],
        timeout: Int32 = 60
    ) -> Command {
        let names = ["out", "err", "in"].map { "/tmp/sidekick-command-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).\($0)" }
        defer { for name in names { unlink(name) } }
        // Files, not pipes: what outlives the command (conmon, a container) keeps its streams open.
        let flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC
        let files = names.map { open($0, flags, 0o600) }
        defer { for file in files { close(file) } }
        if let input { _ = write(files[2], input, input.utf8.count) }
        lseek(files[2], 0, SEEK_SET)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (file, number) in zip([files[2], files[0], files[1]], Int32(0)...) {
            posix_spawn_file_actions_adddup2(&actions, file, number)
        }
        var settings: [String] = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]
        settings += environment.map { "\($0)=\($1)" }
        let moved = directory.map { ["sh", "-c", "cd \"$0\" && exec \"$@\"", $0] } ?? []
        var argv = (moved + [program] + arguments).map { strdup($0) } + [nil], envp = settings.map { strdup($0) } + [nil]
        defer { for text in argv + envp { free(text) } }
        var pid: pid_t = 0
        let error = posix_spawnp(&pid, directory == nil ? program : "sh", &actions, nil, &argv, &envp)
        guard error == 0 else {
            return Command(status: 127, output: "", errors: "\(program): \(String(cString: strerror(error)))")
        }
        var status: Int32 = 0, waited: Int32 = 0
        while waitpid(pid, &status, WNOHANG) == 0 {
            usleep(2000)
            waited += 2
            if waited > timeout * 1000 { kill(pid, SIGKILL) }
        }
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
        return Command(status: code, output: contents(names[0]), errors: contents(names[1]))
    }
}

/// The whole of a file; empty when it cannot be read.
func contents(_ path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes: [UInt8] = [], piece = [UInt8](repeating: 0, count: 65536)
    while true {
        let got = read(file, &piece, piece.count)
        if got <= 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes.append(contentsOf: piece.prefix(got))
    }
}

func put(_ text: String, in path: String, mode: mode_t = 0o644) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard file >= 0 else { return }
    _ = write(file, text, text.utf8.count)
    close(file)
}
