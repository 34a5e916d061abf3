import ControlAPI
import Foundation
import SidekickModel
import Synchronization

/// A fleet on one machine: a controller and hosts in network namespaces of their own, joined by a bridge, each with a real agent and a
/// real gateway. Everything carries a number of its own, and `stop` takes all of it away.
final class HostNetwork: Sendable {
    final class Host: Sendable {
        let number: Int
        let name: String
        let address: String
        let engine: String
        let root: String
        fileprivate let subnet: String
        fileprivate let namespace: String
        fileprivate let processes = Mutex<[String: Process]>([:])

        fileprivate init(_ number: Int, of fleet: String, network: String, subnet: Int, root: String) {
            self.number = number
            name = "h\(number)"
            address = "\(network).\(number)"
            engine = "\(fleet)h\(number)"
            namespace = "sk\(fleet)h\(number)"
            self.root = "\(root)/h\(number)"
            self.subnet = "10.99.\((subnet + number) % 256).0/24"
        }

        var url: String { "http://\(address):8080/" }
        var logText: String {
            ["agent", "gateway"].map {
                "--- \(name) \($0)\n" + ((try? String(contentsOfFile: "\(root)/\($0).log", encoding: .utf8)) ?? "")
            }
            .joined()
        }
    }

    let name: String
    let root: String
    let hosts: [Host]
    private let network: String
    private let bridge: String
    private let agentsPort: Int
    private let controller = Mutex<Process?>(nil)

    var socket: String { "\(root)/control.sock" }
    var client: ControlClient { ControlClient(socketPath: socket) }

    init(hosts count: Int) throws {
        let number = Int.random(in: 0..<0x4000)
        name = "f" + String(number, radix: 16)
        root = "/tmp/sk-\(name)"
        network = "10.\(100 + number % 64).\(number / 64)"
        bridge = "sk\(name)"
        agentsPort = try FreePort.next()
        let (name, network, root) = (name, network, root)
        hosts = (1...count).map { Host($0, of: name, network: network, subnet: number, root: root) }
    }

    /// Makes the network and starts everything; returns when every host is in session and every gateway answers.
    func start(zones: [String] = []) async throws {
        for host in hosts { try FileManager.default.createDirectory(atPath: host.root, withIntermediateDirectories: true) }
        try "fleet-secret-\(name)".write(toFile: "\(root)/secret", atomically: true, encoding: .utf8)
        try await ip("link", "add", bridge, "type", "bridge")
        try await ip("addr", "add", "\(network).254/24", "dev", bridge)
        try await ip("link", "set", bridge, "up")
        for host in hosts { try await join(host) }
        try startController()
        _ = try await eventually("the controller answers") {
            try? await client.hosts()
        } until: {
            $0 != nil
        }
        for host in hosts {
            try startAgent(host, zone: zones.isEmpty ? nil : zones[host.number - 1])
            try startGateway(host)
        }
        _ = try await eventually("every host is alive") {
            try await client.hosts().filter { $0.liveness == "alive" }.count
        } until: {
            $0 == hosts.count
        }
        for host in hosts {
            _ = try await eventually("\(host.name)'s gateway answers") {
                try await get(host).status
            } until: {
                $0 == 404
            }
        }
    }

    private func join(_ host: Host) async throws {
        let (outer, inner) = ("\(host.namespace)o", "\(host.namespace)i")
        try await ip("netns", "add", host.namespace)
        try await ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", host.namespace)
        try await ip("link", "set", outer, "master", bridge, "up")
        for words in [
            ["addr", "add", "\(host.address)/24", "dev", inner], ["link", "set", inner, "up"], ["link", "set", "lo", "up"],
            ["route", "add", "default", "via", "\(network).254"],
        ] { try await ip(["-n", host.namespace] + words) }
    }

    // MARK: Processes

    func startController() throws {
        let process = try start(
            "controller", log: "\(root)/controller.log",
            [
                Programs.sidekick, "controller", "--data", "\(root)/controller", "--socket", socket, "--listen",
                "\(network).254:\(agentsPort)", "--images", "\(root)/images", "--secret-file", "\(root)/secret",
            ])
        controller.withLock { $0 = process }
    }

    func killController() async {
        guard let process = controller.withLock({ $0.take() }) else { return }
        await end(process, SIGKILL)
    }

    func startAgent(_ host: Host, zone: String? = nil) throws {
        try start(
            host, "agent",
            [
                "--controller", "\(network).254:\(agentsPort)", "--secret-file", "\(root)/secret", "--data", "\(host.root)/agent",
                "--run", "\(host.root)/run", "--images", "\(root)/images", "--host", host.name, "--name", host.engine, "--subnet",
                host.subnet, "--gateway-address", "\(host.address):8081", "--log-level", "info",
            ] + (zone.map { ["--label", "zone=\($0)"] } ?? []))
    }

    func startGateway(_ host: Host) throws {
        try start(
            host, "gateway",
            [
                "--listen", "\(host.address):8080", "--peer-listen", "\(host.address):8081", "--subnet", host.subnet, "--data",
                "\(host.root)/gateway", "--run", "\(host.root)/run", "--log-level", "info",
            ])
    }

    private func start(_ host: Host, _ daemon: String, _ arguments: [String]) throws {
        for directory in ["agent", "gateway", "run"] {
            try FileManager.default.createDirectory(atPath: "\(host.root)/\(directory)", withIntermediateDirectories: true)
        }
        let process = try start(
            daemon, log: "\(host.root)/\(daemon).log", inside(host) + [Programs.sidekick, daemon] + arguments)
        host.processes.withLock { $0[daemon] = process }
    }

    private func start(_ what: String, log: String, _ words: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: words[0])
        process.arguments = Array(words.dropFirst())
        if !FileManager.default.fileExists(atPath: log) { _ = FileManager.default.createFile(atPath: log, contents: nil) }
        let output = FileHandle(forWritingAtPath: log)
        try output?.seekToEnd()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// nsenter becomes the program it starts, so that signals reach that.
    private func inside(_ host: Host) -> [String] { ["/usr/bin/nsenter", "--net=/run/netns/\(host.namespace)"] }

    private func end(_ process: Process, _ signal: Int32) async {
        kill(process.processIdentifier, signal)
        for _ in 0..<1500 where process.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// Kills a host's agent and gateway and has the network drop every packet to and from it, as when the machine loses power.
    func lose(_ host: Host) async throws {
        try await cut(host)
        for process in host.processes.withLock({ Array($0.values) }) { await end(process, SIGKILL) }
        host.processes.withLock { $0 = [:] }
    }

    /// Drops every packet to and from the host from now on.
    func cut(_ host: Host) async throws {
        for chain in ["input", "output"] {
            let rules = "add table inet cut; add chain inet cut \(chain) { type filter hook \(chain) priority 0; policy drop; }"
            let outcome = try await Programs.run("/usr/bin/nsenter", Array(inside(host).dropFirst()) + ["/usr/sbin/nft", rules])
            guard outcome.code == 0 else { throw HarnessError("nft \(rules): \(outcome.errors)") }
        }
    }

    // MARK: Requests and verbs

    struct Answer: CustomStringConvertible {
        var status: Int
        var body: String
        var seconds: Double
        var description: String { "\(status) in \(seconds) s: \(body.prefix(200))" }
    }

    /// One request to a host's gateway, from outside the fleet.
    func get(_ host: Host, path: String = "", within seconds: Int = 30, _ more: [String] = []) async throws -> Answer {
        let began = ContinuousClock.now
        let outcome = try await Programs.run(
            "/usr/bin/curl", ["-s", "-m", "\(seconds)", "-w", "\n%{http_code}"] + more + [host.url + path])
        let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
        return Answer(
            status: lines.last.flatMap { Int($0) } ?? 0, body: lines.dropLast().joined(separator: "\n"),
            seconds: (ContinuousClock.now - began) / .seconds(1))
    }

    @discardableResult
    func must(_ arguments: String...) async throws -> String {
        let outcome = try await Programs.run(Programs.sidekick, arguments, environment: ["SIDEKICK_SOCKET": socket])
        guard outcome.code == 0 else {
            throw HarnessError(
                "sidekick \(arguments.joined(separator: " ")): \(outcome.code)\n\(outcome.output)\(outcome.errors)")
        }
        return outcome.output
    }

    private func ip(_ words: String...) async throws { try await ip(words) }
    private func ip(_ words: [String]) async throws {
        let outcome = try await Programs.run("/usr/sbin/ip", words)
        guard outcome.code == 0 else { throw HarnessError("ip \(words.joined(separator: " ")): \(outcome.errors)") }
    }

    // MARK: The end

    var logText: String {
        "--- controller\n" + ((try? String(contentsOfFile: "\(root)/controller.log", encoding: .utf8)) ?? "")
            + hosts.map(\.logText).joined()
    }

    /// Ends every process and takes away everything that was made.
    func stop() async {
        for host in hosts {
            for process in host.processes.withLock({ Array($0.values) }) { await end(process, SIGTERM) }
        }
        if let process = controller.withLock({ $0.take() }) { await end(process, SIGTERM) }
        for host in hosts { await erase(host) }
        _ = try? await Programs.run("/usr/sbin/ip", ["link", "del", bridge])
        try? FileManager.default.removeItem(atPath: root)
    }

    private func erase(_ host: Host) async {
        let options = [
            "--data", "\(host.root)/agent", "--run", "\(host.root)/run", "--images", "\(root)/images", "--instance", host.engine,
        ]
        func container(_ verb: String, _ more: [String] = []) async -> Programs.Outcome? {
            let words = inside(host) + [Programs.sidekick, "container", verb] + options + ["--subnet", host.subnet] + more
            return try? await Programs.run(words[0], Array(words.dropFirst()))
        }
        let listed =
            await container("ps")?.output.split(separator: "\n").dropFirst().compactMap { $0.split(separator: " ").first } ?? []
        for id in listed { _ = await container("rm", ["--force", String(id)]) }
        _ = await container("destroy")
        // With the namespace it would go too, but only some time later.
        _ = try? await Programs.run("/usr/sbin/ip", ["link", "del", "\(host.namespace)o"])
        _ = try? await Programs.run("/usr/sbin/ip", ["netns", "del", host.namespace])
    }

    /// Everything of it that is still there after `stop`.
    func leftovers() throws -> [String] {
        var found = ProcessTable.all().filter { $0.words.contains { $0.contains(root) } }.map {
            "process \($0.pid) \($0.words.joined(separator: " "))"
        }
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
        found += mounts.split(separator: "\n").filter { $0.contains(root) || $0.contains("/sk\(name)h") }.map { "mount \($0)" }
        found += try FileManager.default.contentsOfDirectory(atPath: "/sys/class/net").filter { $0.hasPrefix("sk\(name)") }
        for hierarchy in try FileManager.default.contentsOfDirectory(atPath: "/sys/fs/cgroup") + ["."] {
            for host in hosts {
                let directory = "/sys/fs/cgroup/\(hierarchy)/sidekick-\(host.engine)"
                if FileManager.default.fileExists(atPath: directory) { found.append("cgroup \(directory)") }
            }
        }
        return found
    }

    /// Runs `body` on a started fleet; nothing of it is left afterwards.
    static func run(hosts: Int, zones: [String] = [], _ body: (HostNetwork) async throws -> Void) async throws {
        let fleet = try HostNetwork(hosts: hosts)
        do {
            try await fleet.start(zones: zones)
            try await body(fleet)
        } catch {
            let logs = fleet.logText
            await fleet.stop()
            throw HarnessError("\(error)\n\(logs.suffix(8000))")
        }
        await fleet.stop()
        let left = try fleet.leftovers()
        guard left.isEmpty else { throw HarnessError("left behind: \(left)") }
    }
}
