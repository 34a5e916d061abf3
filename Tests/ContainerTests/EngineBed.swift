import ContainerCore
import Glibc
import LinuxShims
import Synchronization
import Testing

/// Every test of the engine, one at a time: some count what the whole process has open.
@Suite(.serialized) enum EngineTests {}

/// An engine of its own name and directories, with a root file system made of busybox; everything is removed by `close`.
final class EngineBed: Sendable {
    let configuration: EngineConfiguration
    private let current: Mutex<ContainerEngine>
    let root: String
    let layer: String

    init(
        subnet: String? = nil, readyCradles: Int = 1, adjust: (inout EngineConfiguration) -> Void = { _ in }
    ) throws {
        let name = "t" + String(UInt32.random(in: 0...UInt32.max), radix: 36)
        // On a disk: older kernels map no ids on tmpfs.
        root = "/var/lib/sidekick-\(name)"
        layer = "\(root)/layer"
        var configuration = EngineConfiguration(
            name: name, stateDirectory: "\(root)/state", runDirectory: "\(root)/run", initPath: Self.initPath, subnet: subnet,
            readyCradles: readyCradles)
        adjust(&configuration)
        self.configuration = configuration
        try Self.makeLayer(layer, root)
        current = Mutex(try ContainerEngine(configuration))
    }

    var engine: ContainerEngine { current.withLock { $0 } }

    /// Lets the engine go as at its process's end, and goes on with a new one, which has recovered nothing yet.
    func replaceEngine() async throws -> ContainerEngine {
        await engine.shutdown()
        return try replaceEngine(configuration: configuration)
    }

    /// Goes on with an engine of another configuration; the one before must have been let go.
    func replaceEngine(
        configuration: EngineConfiguration, step: @escaping StepObserver = { _ in }
    ) throws -> ContainerEngine {
        let next = try ContainerEngine(configuration, step: step)
        current.withLock { $0 = next }
        return next
    }

    /// In the test machine, whose processors are emulated: fewer repetitions.
    static let isEmulated = getenv("SIDEKICK_IN_VM") != nil

    /// Beside the test bundle, or another build of it (with sanitizers, say) that SIDEKICK_INIT names.
    static let initPath: String = {
        if let named = getenv("SIDEKICK_INIT") { return String(cString: named) }
        var path = [UInt8](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count)
        let here = String(decoding: path.prefix(max(length, 0)), as: UTF8.self)
        let built = here.split(separator: "/").dropLast().joined(separator: "/")
        let beside = "/\(built)/sidekick-init"
        if access(beside, X_OK) == 0 { return beside }
        let package = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/\(package)/.build/debug/sidekick-init"
    }()

    private static func makeLayer(_ layer: String, _ root: String) throws {
        for path in [root, layer, "\(layer)/bin", "\(layer)/etc", "\(layer)/tmp", "\(layer)/proc", "\(layer)/root"] {
            try #require(mkdir(path, 0o755) == 0)
        }
        chmod("\(layer)/tmp", 0o1777)
        let busybox = access("/bin/busybox", R_OK) == 0 ? "/bin/busybox" : "/usr/bin/busybox"
        try copy(busybox, to: "\(layer)/bin/busybox")
        for applet in [
            "sh", "cat", "sleep", "echo", "id", "ls", "mkdir", "touch", "kill", "true", "false", "grep", "wc", "mount",
            "umount", "readlink", "hostname", "dd", "stat", "seq", "head", "rm", "mknod", "chown", "ip", "test", "ps", "sed",
            "wget", "nslookup", "tty", "stty", "nc", "tr", "cut",
        ] {
            symlink("busybox", "\(layer)/bin/\(applet)")
        }
        let passwd = open("\(layer)/etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        let text = "root:x:0:0::/root:/bin/sh\n"
        _ = write(passwd, text, text.utf8.count)
        Glibc.close(passwd)
    }

    private static func copy(_ from: String, to: String) throws {
        let source = open(from, O_RDONLY | O_CLOEXEC), target = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0o755)
        try #require(source >= 0 && target >= 0)
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let got = read(source, &piece, piece.count)
            if got <= 0 { break }
            _ = write(target, piece, got)
        }
        Glibc.close(source)
        Glibc.close(target)
    }

    /// A container that runs `script` in busybox's shell.
    func script(_ script: String, id: String = "c1") -> ContainerConfiguration {
        var made = ContainerConfiguration(id: id, layers: [layer], arguments: ["/bin/sh", "-c", script])
        made.network = configuration.subnet != nil
        return made
    }

    func close() async throws {
        try await engine.destroy()
        let parent = open("/var/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #expect(sk_remove_tree(parent, String(root.dropFirst("/var/lib/".count))) == 0)
        Glibc.close(parent)
    }

    /// Runs a container to its end.
    func finish(_ configuration: ContainerConfiguration) async throws -> (exit: ContainerExit, lines: [LogLine]) {
        let exits = engine.exits()
        _ = try await engine.prepare(configuration)
        _ = try await engine.start(configuration.id)
        let exit = try #require(await Self.exit(of: configuration.id, in: exits))
        let lines = log(configuration.id)
        try await engine.remove(configuration.id)
        return (exit, lines)
    }

    static func exit(of id: String, in exits: AsyncStream<(id: String, exit: ContainerExit)>) async -> ContainerExit? {
        for await (ended, exit) in exits where ended == id { return exit }
        return nil
    }

    struct LogLine: Hashable {
        var time: String
        var stream: String
        var tag: String
        var text: String
    }

    /// Returns once the container has written `count` lines of this text; fails after ten seconds.
    func waitForLine(_ text: String, of id: String, count: Int = 1) async throws {
        for _ in 0..<2_000 {
            if log(id).filter({ $0.text == text }).count >= count { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("container \(id) did not write \(count) lines of \(text): \(log(id).suffix(5))")
    }

    func log(_ id: String) -> [LogLine] { Self.lines(text(engine.logPath(id))) }

    static func lines(_ text: String) -> [LogLine] {
        text.split(separator: "\n").map { line in
            let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
            return LogLine(
                time: parts[0], stream: parts.count > 1 ? parts[1] : "", tag: parts.count > 2 ? parts[2] : "",
                text: parts.count > 3 ? parts[3] : "")
        }
    }
}

/// The whole of a small file; empty when it cannot be read.
func text(_ path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while true {
        let got = read(file, &piece, piece.count)
        if got <= 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes.append(contentsOf: piece.prefix(got))
    }
}
