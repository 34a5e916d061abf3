import Glibc
import LinuxShims
import Testing

@testable import ContainerCore

/// Each test's host is a network namespace of its own, so tests neither meet one another nor the real host's links.
struct ContainerNetworkTests {
    @Test func `the host dials a container the moment it is attached`() async throws {
        try await Namespace().run {
            let network = try makeNetwork()
            var slowest = Duration.zero
            for turn in 0..<20 {
                let container = try Namespace()
                let listener = try container.open { try Socket.listening(port: 80) }
                let attachment = try network.attach("c\(turn)", to: .descriptor(container.descriptor))
                let began = ContinuousClock.now
                let dialled = try Socket.connected(attachment.address, port: 80)
                slowest = max(slowest, ContinuousClock.now - began)
                #expect(try listener.accept().peer == "10.91.0.1")
                _ = dialled
            }
            // Losing the first packet would cost the second that TCP waits before it sends another.
            #expect(slowest < .milliseconds(500), "slowest dial \(slowest)")
        }
    }

    @Test func `a container reaches the gateway, and neither another container nor one past the gateway`() async throws {
        try await Namespace().run {
            let network = try makeNetwork()
            let (a, b) = (try Namespace(), try Namespace())
            _ = try network.attach("a", to: .descriptor(a.descriptor))
            let other = try network.attach("b", to: .descriptor(b.descriptor))
            let gateway = try Socket.listening(port: 80)
            let neighbour = try b.open { try Socket.listening(port: 80) }
            let dialled = try a.open { try Socket.connected("10.91.0.1", port: 80) }
            #expect(try gateway.accept().peer == "10.91.0.2")
            #expect(throws: CallFailed.self) { try a.open { try Socket.connected(other.address, port: 80) } }
            // The same by way of the gateway's router.
            try a.open { try setRoute(to: other.address, through: "10.91.0.1") }
            #expect(throws: CallFailed.self) { try a.open { try Socket.connected(other.address, port: 80) } }
            _ = (dialled, neighbour)
        }
    }

    @Test func `what leaves is masqueraded, and nobody outside opens a connection to a container`() async throws {
        let outside = try Namespace()
        try await Namespace().run {
            try connectHost(to: outside)
            let network = try makeNetwork()
            let container = try Namespace()
            let attachment = try network.attach("web", to: .descriptor(container.descriptor))
            let server = try outside.open { try Socket.listening(port: 443) }
            let dialled = try container.open { try Socket.connected("10.92.0.2", port: 443) }
            #expect(try server.accept().peer == "10.92.0.1")
            let listener = try container.open { try Socket.listening(port: 80) }
            try outside.open { try setRoute(to: attachment.address, through: "10.92.0.1") }
            #expect(throws: CallFailed.self) { try outside.open { try Socket.connected(attachment.address, port: 80) } }
            _ = (dialled, listener)
        }
    }

    @Test func `without masquerade containers stay on their host`() async throws {
        let outside = try Namespace()
        try await Namespace().run {
            try connectHost(to: outside)
            let network = try makeNetwork(masquerade: false)
            let container = try Namespace()
            _ = try network.attach("web", to: .descriptor(container.descriptor))
            let server = try outside.open { try Socket.listening(port: 443) }
            #expect(throws: CallFailed.self) { try container.open { try Socket.connected("10.92.0.2", port: 443) } }
            _ = server
        }
    }

    @Test func `a restarted engine keeps what it adopts and removes the rest`() async throws {
        try await Namespace().run {
            let spaces = try (0..<4).map { _ in try Namespace() }
            var earlier: [NetworkAttachment] = []
            do {
                let network = try makeNetwork()
                for (index, space) in spaces.enumerated() {
                    earlier.append(try network.attach("c\(index)", to: .descriptor(space.descriptor)))
                }
            }
            let network = try makeNetwork()
            #expect(try network.recover(keeping: ["c1", "c3", "gone"]) == ["c1": earlier[1], "c3": earlier[3]])
            #expect(try links().filter { $0.hasPrefix("sv") } == [earlier[1].interface, earlier[3].interface])
            let listener = try spaces[1].open { try Socket.listening(port: 80) }
            _ = try Socket.connected(earlier[1].address, port: 80)
            let fresh = try (0..<5).map { try network.reserve("n\($0)").address }
            #expect(Set(fresh).isDisjoint(with: [earlier[1].address, earlier[3].address]) && Set(fresh).count == 5)
            _ = listener
        }
    }

    @Test func `a hundred containers come and go and nothing is left`() async throws {
        try await Namespace().run {
            let before = try links()
            let network = try makeNetwork()
            let bridged = try links()
            let spaces = try (0..<100).map { _ in try Namespace() }
            let clock = ContinuousClock()
            var attach: [Duration] = []
            var detach: [Duration] = []
            for (index, space) in spaces.enumerated() {
                attach.append(try clock.measure { _ = try network.attach("c\(index)", to: .descriptor(space.descriptor)) })
            }
            for index in spaces.indices { detach.append(try clock.measure { try network.detach("c\(index)") }) }
            print("attach median \(attach.sorted()[50]) worst \(attach.max() ?? .zero), detach median \(detach.sorted()[50])")
            #expect(try links() == bridged)
            #expect(try neighbours() == [])
            try network.detach("never")
            try network.destroy()
            #expect(try links() == before)
            #expect(try packetTables() == "")
            try network.destroy()
        }
    }

    @Test func `what a container sends and receives is limited`() async throws {
        try await Namespace().run {
            let network = try makeNetwork()
            let container = try Namespace()
            var limits = ContainerLimits()
            limits.egressBitsPerSecond = 16_000_000
            limits.ingressBitsPerSecond = 16_000_000
            let attachment = try network.attach("web", to: .descriptor(container.descriptor), limits: limits)
            let listener = try container.open { try Socket.listening(port: 80) }
            let host = try Socket.connected(attachment.address, port: 80)
            let inside = try listener.accept().socket
            for (from, to) in [(inside, host), (host, inside)] {
                let took = try transfer(1 << 20, from: from, to: to)
                // 8.4 Mbit at 16 Mbit/s are 0.52 s; the bucket and the buffers let a little through at once.
                #expect(took > .milliseconds(350) && took < .seconds(3), "took \(took)")
            }
        }
    }

    @Test func `packets are as large as configured, on the bridge and inside, and a container reaches its own gateway's port 80`()
        async throws
    {
        try await Namespace().run {
            var configuration = EngineConfiguration(
                name: "test", stateDirectory: "/nowhere", runDirectory: "/nowhere", initPath: "/nowhere", subnet: "10.91.0.0/24")
            configuration.mtu = 1380
            configuration.gatewayPort = 8099
            let network = try ContainerNetwork(configuration: configuration)
            try network.open()
            let container = try Namespace()
            _ = try network.attach("web", to: .descriptor(container.descriptor))
            #expect(try runCommand("ip", "link", "show", "skbr-test").contains("mtu 1380"))
            #expect(try container.open { try runCommand("ip", "link", "show", "eth0") }.contains("mtu 1380"))
            let gateway = try Socket.listening(port: 8099)
            let dialled = try container.open { try Socket.connected("10.91.0.1", port: 80) }
            #expect(try gateway.accept().peer == "10.91.0.2")
            withExtendedLifetime(dialled) {}
        }
    }

    @Test func `a full subnet says what to do, and a freed address serves again`() async throws {
        try await Namespace().run {
            let network = try makeNetwork(subnet: "10.91.0.0/29")
            for index in 0..<5 { _ = try network.reserve("c\(index)") }
            let failure = #expect(throws: ContainerError.self) { try network.reserve("one more") }
            #expect(failure?.code == .resourceMissing && failure?.message.contains("larger subnet") == true)
            try network.detach("c3")
            #expect(try network.reserve("one more").address == "10.91.0.5")
        }
    }

    @Test func `attaching to a namespace that is gone takes nothing`() async throws {
        try await Namespace().run {
            let network = try makeNetwork()
            #expect(throws: ContainerError.self) { try network.attach("web", to: .process(999_999_999)) }
            try network.detach("web")
            #expect(try links().filter { $0.hasPrefix("sv") } == [])
        }
    }
}

func makeNetwork(subnet: String = "10.91.0.0/16", masquerade: Bool = true) throws -> ContainerNetwork {
    let network = try ContainerNetwork(
        configuration: EngineConfiguration(
            name: "test", stateDirectory: "/nowhere", runDirectory: "/nowhere", initPath: "/nowhere", subnet: subnet,
            masquerade: masquerade))
    try network.open()
    return network
}

/// Links of the calling thread's namespace, sorted.
private func links() throws -> [String] {
    let text = try #require(readSmallFile("/proc/thread-self/net/dev"))
    return text.split(separator: "\n").dropFirst(2).compactMap { $0.split(separator: ":").first?.trimmingPrefix { $0 == " " } }
        .map(String.init)
        .sorted()
}

private func neighbours() throws -> [String] {
    try runCommand("ip", "neigh", "show", "nud", "permanent").split(separator: "\n").map(String.init)
}

private func packetTables() throws -> String { try runCommand("nft", "list", "tables") }

private func setRoute(to address: String, through gateway: String) throws {
    _ = try runCommand("ip", "route", "replace", "\(address)/32", "via", gateway)
}

/// Gives the calling thread's namespace an uplink to `outside`, with the default route through it.
func connectHost(to outside: Namespace) throws {
    _ = try runCommand("ip", "link", "set", "lo", "up")
    let file = "/proc/\(getpid())/fd/\(outside.descriptor)"
    _ = try runCommand("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth9", "netns", file)
    _ = try runCommand("ip", "address", "add", "10.92.0.1/24", "dev", "uplink")
    _ = try runCommand("ip", "link", "set", "uplink", "up")
    _ = try runCommand("ip", "route", "add", "default", "via", "10.92.0.2")
    try outside.open {
        _ = try runCommand("ip", "address", "add", "10.92.0.2/24", "dev", "eth9")
        _ = try runCommand("ip", "link", "set", "eth9", "up")
    }
}

/// Runs a command in the calling thread's namespaces; throws what it said unless it succeeds.
func runCommand(_ words: String...) throws -> String {
    var ends: [Int32] = [-1, -1]
    _ = try check(pipe(&ends), "pipe")
    _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
    _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    var arguments: [UnsafeMutablePointer<CChar>?] = []
    for word in words { arguments.append(strdup(word)) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    let refused = posix_spawnp(&process, words[0], &actions, nil, &arguments, environ)
    close(ends[1])
    defer { close(ends[0]) }
    _ = try check(-refused, "run \(words[0])")
    let output = readAll(ends[0]) ?? ""
    var status: Int32 = 0
    _ = try check(waitpid(process, &status, 0), "waitpid")
    guard status == 0 else { throw CallFailed(description: "\(words.joined(separator: " ")): \(output)") }
    return output
}

private func transfer(_ size: Int, from: Socket, to: Socket) throws -> Duration {
    let began = ContinuousClock.now
    let descriptor = from.descriptor
    onThread {
        let bytes = [UInt8](repeating: 7, count: size)
        var sent = 0
        while sent < size {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress.map { $0 + sent }, size - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var received = 0
    while received < size {
        let count = recv(to.descriptor, &buffer, buffer.count, 0)
        _ = try check(count <= 0 ? -1 : 0, "receive")
        received += count
    }
    return ContinuousClock.now - began
}
