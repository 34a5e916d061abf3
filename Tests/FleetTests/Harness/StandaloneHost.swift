import ControlAPI
import Foundation
import SidekickModel
import Synchronization
import Testing

/// A real `sidekick standalone` in directories, a subnet, cgroups and ports of its own.
final class StandaloneHost: Sendable {
    let root: String
    /// Engine name: part of everything it makes in the kernel.
    let name: String
    let subnet: String
    let port: Int
    private let agentsPort: Int
    private let running = Mutex<Running?>(nil)

    private struct Running {
        var pid: pid_t
        /// Gives the exit code once.
        var ended: AsyncStream<Int32>
    }

    var socket: String { "\(root)/run/control.sock" }
    var url: String { "http://127.0.0.1:\(port)" }
    var client: ControlClient { ControlClient(socketPath: socket) }

    init() throws {
        let number = UInt16.random(in: 0...UInt16.max)
        name = "t" + String(number, radix: 16)
        root = "/tmp/sk-\(name)"
        subnet = "10.\(200 + Int(number) % 40).\(Int(number) / 40 % 256).0/24"
        port = try FreePort.next()
        agentsPort = try FreePort.next()
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    }

    /// Runs `body` with a host that it starts; everything of it is gone afterwards.
    static func run(_ body: (StandaloneHost) async throws -> Void) async throws {
        let host = try StandaloneHost()
        do {
            try await body(host)
        } catch {
            _ = await host.stop()
            throw HarnessError("\(error)\n\(host.logText.suffix(4000))")
        }
        #expect(await host.stop() == 0)
        #expect(try await host.leftovers() == [])
        host.removeFiles()
    }

    /// Starts it and returns once it says that it is ready.
    func start(_ more: [String] = []) async throws {
        let process = Process()
        process.executableURL = URL(filePath: Programs.sidekick)
        process.arguments =
            [
                "standalone", "--data", "\(root)/data", "--run", "\(root)/run", "--listen", "127.0.0.1:\(port)", "--agents",
                "127.0.0.1:\(agentsPort)", "--name", name, "--subnet", subnet,
            ] + more
        let output = Pipe()
        process.standardOutput = output
        let log = "\(root)/standalone.log"
        if !FileManager.default.fileExists(atPath: log) { _ = FileManager.default.createFile(atPath: log, contents: nil) }
        let errors = FileHandle(forWritingAtPath: log)
        try errors?.seekToEnd()
        process.standardError = errors
        let (ended, sink) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = {
            sink.yield($0.terminationStatus)
            sink.finish()
        }
        try process.run()
        let pid = process.processIdentifier
        running.withLock { $0 = Running(pid: pid, ended: ended) }
        let line = await firstLine(output.fileHandleForReading)
        guard line.contains("ready") else { throw HarnessError("standalone did not become ready: ‘\(line)’\n\(logText)") }
    }

    var logText: String { (try? String(contentsOfFile: "\(root)/standalone.log", encoding: .utf8)) ?? "" }

    /// TERM, then waits for its end; the exit code.
    func stop() async -> Int32 {
        guard let running = running.withLock({ $0.take() }) else { return 0 }
        kill(running.pid, SIGTERM)
        for await code in running.ended { return code }
        return -1
    }

    func removeFiles() { try? FileManager.default.removeItem(atPath: root) }

    /// Process id of one of the supervised daemons.
    func pid(of daemon: String) throws -> pid_t {
        for (pid, words) in ProcessTable.all() where words.count > 1 && words[1] == daemon && words[0].hasSuffix("/sidekick") {
            if words.contains(where: { $0.hasPrefix(root) }) { return pid }
        }
        throw HarnessError("no \(daemon) of \(name) runs")
    }

    /// Runs an operator's verb against it.
    func verb(_ arguments: String...) async throws -> Programs.Outcome {
        try await Programs.run(Programs.sidekick, arguments, environment: ["SIDEKICK_SOCKET": socket])
    }

    /// Runs a verb that must succeed.
    @discardableResult
    func must(_ arguments: String...) async throws -> String {
        let outcome = try await Programs.run(Programs.sidekick, arguments, environment: ["SIDEKICK_SOCKET": socket])
        guard outcome.code == 0 else {
            throw HarnessError(
                "sidekick \(arguments.joined(separator: " ")): exit \(outcome.code)\n\(outcome.output)\(outcome.errors)\n\(logText)"
            )
        }
        return outcome.output
    }

    /// Everything of it that is still there.
    func leftovers() async throws -> [String] {
        var found = ProcessTable.all().filter { $0.words.contains { $0.contains(root) } }.map {
            "process \($0.pid) \($0.words.joined(separator: " "))"
        }
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
        found += mounts.split(separator: "\n").filter { $0.contains(root) }.map { "mount \($0)" }
        let links = try FileManager.default.contentsOfDirectory(atPath: "/sys/class/net")
        found += links.filter { $0 == "skbr-\(name)" }.map { "link \($0)" }
        for hierarchy in try FileManager.default.contentsOfDirectory(atPath: "/sys/fs/cgroup") + ["."] {
            let directory = "/sys/fs/cgroup/\(hierarchy)/sidekick-\(name)"
            if FileManager.default.fileExists(atPath: directory) { found.append("cgroup \(directory)") }
        }
        let tables = try await Programs.run("/usr/sbin/nft", ["list", "tables"])
        found += tables.output.split(separator: "\n").filter { $0.hasSuffix("sidekick-\(name)") }.map { "nftables \($0)" }
        return found
    }

    private func firstLine(_ handle: FileHandle) async -> String {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var line = Data()
                while let byte = try? handle.read(upToCount: 1), !byte.isEmpty, byte != Data([10]) { line.append(byte) }
                continuation.resume(returning: String(decoding: line, as: UTF8.self))
                // Later lines must not fill the pipe.
                while let more = try? handle.read(upToCount: 4096), !more.isEmpty {}
            }
        }
    }
}

enum ProcessTable {
    static func all() -> [(pid: pid_t, words: [String])] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.sorted().compactMap { pid in
            guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline"), !data.isEmpty else { return nil }
            return (pid, data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
        }
    }
}

enum FreePort {
    /// A TCP port that nobody has now at any address.
    static func next() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_ANY
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard code == 0 else { throw HarnessError("no free port: \(String(cString: strerror(errno)))") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
