import FoundationEssentials
import Glibc
import LinuxShims
import OCIRuntime
import Testing

/// A bundle with busybox for a root, and a state directory of its own; `close` removes every container and all files.
final class RuntimeBed {
    let root: String
    let bundle: String
    let name: String
    var configuration: BundleConfiguration

    init() throws {
        name = "r" + String(UInt32.random(in: 0...UInt32.max), radix: 36)
        root = "/var/lib/sidekick-\(name)"
        bundle = "\(root)/bundle"
        for path in [root, bundle, "\(bundle)/rootfs"] { try #require(mkdir(path, 0o755) == 0) }
        for path in ["bin", "etc", "tmp", "proc", "dev", "sys", "root"] {
            try #require(mkdir("\(bundle)/rootfs/\(path)", 0o755) == 0)
        }
        symlink(Self.sidekick, "\(root)/sidekick-runtime")
        let busybox = access("/bin/busybox", R_OK) == 0 ? "/bin/busybox" : "/usr/bin/busybox"
        try #require(Command.run("cp", [busybox, "\(bundle)/rootfs/bin/busybox"]).status == 0)
        for applet in [
            "sh", "cat", "sleep", "echo", "id", "ls", "mkdir", "touch", "kill", "true", "false", "grep", "mount", "umount",
            "readlink",
            "hostname", "stat", "pwd", "tty", "stty", "env", "dd", "test", "head", "rm", "dmesg", "ulimit", "arch", "setsid",
        ] { symlink("busybox", "\(bundle)/rootfs/bin/\(applet)") }
        put("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n", in: "\(bundle)/rootfs/etc/passwd")
        let made = Command.run("\(root)/sidekick-runtime", ["spec", "--bundle", bundle])
        try #require(made.status == 0, "\(made.errors)")
        configuration = try JSONDecoder().decode(BundleConfiguration.self, from: Data(contents("\(bundle)/config.json").utf8))
        configuration.process?.terminal = false
        configuration.linux?.cgroupsPath = "/sidekick-test-\(name)"
    }

    static let sidekick: String = {
        var path = [UInt8](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count)
        let beside =
            "/"
            + String(decoding: path.prefix(max(length, 0)), as: UTF8.self).split(separator: "/").dropLast().joined(separator: "/")
        if access("\(beside)/sidekick", X_OK) == 0 { return "\(beside)/sidekick" }
        return "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/.build/debug/sidekick"
    }()

    /// One command of the runtime.
    @discardableResult func runtime(_ arguments: String..., input: String? = nil) -> Command {
        Command.run("\(root)/sidekick-runtime", ["--root", "\(root)/state"] + arguments, input: input, directory: bundle)
    }

    func script(_ script: String) { configuration.process?.args = ["/bin/sh", "-c", script] }

    func save() throws {
        try JSONEncoder().encode(configuration).write(to: URL(filePath: "\(bundle)/config.json"))
    }

    /// What the container prints when it is run to its end.
    func run(_ script: String? = nil) throws -> Command {
        if let script { self.script(script) }
        try save()
        return runtime("run", "c1")
    }

    func create(_ id: String = "c1", _ options: String...) throws -> Command {
        try save()
        return Command.run("\(root)/sidekick-runtime", ["--root", "\(root)/state", "create"] + options + [id], directory: bundle)
    }

    func state(_ id: String = "c1") throws -> StateDocument {
        try JSONDecoder().decode(StateDocument.self, from: Data(runtime("state", id).output.utf8))
    }

    /// Waits until the container has the status; fails after ten seconds.
    func wait(for status: ContainerRunStatus, _ id: String = "c1") throws {
        for _ in 0..<200 {
            if try state(id).status == status { return }
            usleep(50_000)
        }
        Issue.record("container \(id) did not become \(status.rawValue)")
    }

    func add<Part: Decodable>(_ json: String, to path: WritableKeyPath<BundleConfiguration, [Part]?>) throws {
        configuration[keyPath: path] = (configuration[keyPath: path] ?? []) + [try part(json)]
    }

    func part<Part: Decodable>(_ json: String) throws -> Part { try JSONDecoder().decode(Part.self, from: Data(json.utf8)) }

    func close() {
        for id in runtime("list", "--quiet").output.split(separator: "\n") { runtime("delete", "--force", String(id)) }
        let left = Command.run("grep", ["-c", root, "/proc/self/mountinfo"]).output
        #expect(left == "0\n", "mounts are left on the host")
        for place in Command.run("find", ["/sys/fs/cgroup", "-maxdepth", "3", "-name", "sidekick-test-\(name)*"]).output.split(
            separator: "\n")
        {
            Issue.record("control group \(place) is left")
        }
        let parent = open("/var/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        #expect(sk_remove_tree(parent, "sidekick-\(name)") == 0)
        Glibc.close(parent)
    }
}

/// Runs the body on a bed of its own.
func withBed(_ body: (RuntimeBed) throws -> Void) throws {
    let bed = try RuntimeBed()
    defer { bed.close() }
    try body(bed)
}
