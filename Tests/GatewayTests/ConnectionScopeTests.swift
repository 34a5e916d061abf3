import EventLoop
import Foundation
import Gateway
import Glibc
import SidekickModel
import Testing

/// Who is let use the names under `.sidekick.internal`.
struct ConnectionScopeTests {
    @Test func `where a connection comes from decides whether internal names are routed on it`() throws {
        let bridge = try #require(ContainerBridge(address: "10.88.0.1", subnet: "10.88.0.0/16"))
        let table:
            [(local: String?, peer: String?, isPeer: Bool, bridge: ContainerBridge?, scope: ConnectionScope, routes: Bool)] = [
                // Containers: at the bridge's address and from its subnet, also where the listener is one of IPv6.
                ("10.88.0.1:8080", "10.88.3.7:4000", false, bridge, .containers, true),
                ("[::ffff:10.88.0.1]:8080", "[::ffff:10.88.3.7]:4000", false, bridge, .containers, true),
                ("10.88.0.1:8080", "10.88.0.1:4000", false, bridge, .containers, true),
                // One half of that is not enough, and without a bridge nothing is.
                ("10.88.0.1:8080", "192.0.2.9:4000", false, bridge, .outside, false),
                ("192.0.2.2:8080", "10.88.3.7:4000", false, bridge, .outside, false),
                ("10.88.0.2:8080", "10.88.3.7:4000", false, bridge, .outside, false),
                ("10.88.0.1:8080", "10.89.0.7:4000", false, bridge, .outside, false),
                ("10.88.0.1:8080", "10.88.3.7:4000", false, nil, .outside, false),
                ("10.88.0.1:8080", nil, false, bridge, .outside, false),
                // Loopback may be a proxy's: nobody knows for whom it asks.
                ("127.0.0.1:8080", "127.0.0.1:4000", false, bridge, .outside, false),
                ("127.8.9.10:8080", "127.0.0.1:4000", false, nil, .outside, false),
                ("[::1]:8080", "[::1]:4000", false, bridge, .outside, false),
                ("[::ffff:127.0.0.1]:8080", "[::ffff:127.0.0.1]:4000", false, bridge, .outside, false),
                ("10.88.0.1:8080", "127.0.0.1:4000", false, bridge, .outside, false),
                // An address of IPv6 that only ends like the bridge's.
                ("[::10.88.0.1]:8080", "[::10.88.3.7]:4000", false, bridge, .outside, false),
                ("[64:ff9b::10.88.0.1]:8080", "[64:ff9b::10.88.3.7]:4000", false, bridge, .outside, false),
                // The peers' listener, whatever the address.
                ("192.0.2.2:8081", "192.0.2.3:4000", true, bridge, .peers, true),
                (nil, nil, true, nil, .peers, true),
                // Everywhere else.
                ("192.0.2.2:8080", "192.0.2.9:4000", false, bridge, .outside, false),
                ("192.0.2.2:8080", "192.0.2.2:4000", false, bridge, .outside, false),
                ("[2001:db8::1]:8080", "[2001:db8::2]:4000", false, bridge, .outside, false),
                ("/run/gateway", nil, false, bridge, .outside, false), (nil, nil, false, bridge, .outside, false),
            ]
        for row in table {
            let scope = ConnectionScope(
                local: row.local.flatMap(SocketAddress.init(text:)), peer: row.peer.flatMap(SocketAddress.init(text:)),
                isPeer: row.isPeer, bridge: row.bridge)
            #expect(scope == row.scope, "\(row)")
            #expect(scope.routesInternalNames == row.routes, "\(row)")
        }
        #expect(ContainerBridge(address: "bridge", subnet: "10.88.0.0/16") == nil)
        #expect(ContainerBridge(address: "10.88.0.1", subnet: "10.88.0.0/64") == nil)
    }

    /// The gateway listens on every address of a network that has, beside loopback, an address as of a network card and a bridge's
    /// address whose port 80 is redirected as the engine does it, with a container behind it.
    @Test(.enabled(if: geteuid() == 0))
    func `internal names are services to containers, and unknown hosts everywhere else`() async throws {
        let replica = try TestReplica()
        let certificates = TestCertificates()
        try certificates.make("site", hosts: ["web.sidekick.internal"])
        try await TestGateway.with(
            [TestGateway.web([replica])], network: try TestNetwork(),
            change: {
                $0.listen = ["0.0.0.0:8080", "[::]:8080"]
                $0.tlsListen = ["0.0.0.0:0"]
                $0.certificates = certificates.path
                $0.bridge = ContainerBridge(address: "10.88.0.1", subnet: "10.88.0.0/16")
            }
        ) { gateway in
            let port = gateway.port
            let container = try TestContainer(gatewayPort: port)
            try Self.expectAnswers(false, "127.0.0.1:\(port)")
            try Self.expectAnswers(false, "[::1]:\(port)")
            try Self.expectAnswers(false, "198.51.100.1:\(port)")
            try Self.expectAnswers(false, "[2001:db8::1]:\(port)")
            // From elsewhere: the bridge's address alone lets nobody in.
            try Self.expectAnswers(false, "10.88.0.1:\(port)", ["--interface", "198.51.100.1"])
            try Self.expectAnswers(false, "10.88.0.1:\(port)", ["--interface", "127.0.0.1"])
            // The host itself by the bridge, as an operator may ask.
            try Self.expectAnswers(true, "10.88.0.1:\(port)")
            try Self.expectAnswers(true, "10.88.0.1:80", in: container)
            // That is not where containers find the gateway.
            try Self.expectAnswers(false, "198.51.100.1:\(port)", in: container)
            for (address, answer) in [("10.88.0.1", Self.served), ("127.0.0.1", Self.unknown), ("198.51.100.1", Self.unknown)] {
                for version in ["--http1.1", "--http2"] {
                    let url = "https://web.sidekick.internal:\(gateway.tlsPort)/"
                    let resolution = "web.sidekick.internal:\(gateway.tlsPort):\(address)"
                    let answers = try Self.curl([version, "-k", "--resolve", resolution, url, url])
                    #expect(answers == answer + answer, "\(version) \(address)")
                }
            }
        }
    }

    private static let served = "1 GET / 0 200\n"
    private static let unknown = "no service has this host and path\n 404\n"

    /// Asks for an internal name in every way there is, and for hosts that are known, or unknown, to everybody.
    private static func expectAnswers(
        _ isServed: Bool, _ target: String, _ from: [String] = [], in container: TestContainer? = nil
    ) throws {
        let expected = isServed ? served : unknown
        let table: [(arguments: [String], answer: String)] = [
            (["-H", "Host: web.sidekick.internal"], expected), (["-H", "Host: WEB.Sidekick.Internal:80"], expected),
            (["-H", "Host: a", "--request-target", "http://web.sidekick.internal/"], expected),
            (["-H", "Host: web.sidekick.internal", "--http2-prior-knowledge"], expected),
            (["-H", "Host: web.sidekick.internal", "-H", "X-Forwarded-Host: a"], expected),
            (["-H", "Host: web.sidekick.internal", "-H", "X-Forwarded-For: 127.0.0.1"], expected),
            (["-H", "Host: nobody", "-H", "X-Forwarded-Host: web.sidekick.internal"], unknown),
            (["-H", "Host: nobody.sidekick.internal"], unknown), (["-H", "Host: nobody"], unknown),
            (["-H", "Host: a"], served), (["-H", "Host: a", "--http2-prior-knowledge"], served),
            // Twice on one connection.
            (["-H", "Host: web.sidekick.internal", "http://\(target)/"], expected + expected),
        ]
        for row in table {
            let answer = try curl(from + row.arguments + ["http://\(target)/"], in: container)
            #expect(answer == row.answer, "\(target) \(row.arguments)")
        }
    }

    /// What is answered, with the status behind it.
    private static func curl(_ arguments: [String], in container: TestContainer? = nil) throws -> String {
        let command = ["curl", "-sSg", "--max-time", "20", "-w", " %{response_code}\n"] + arguments
        return try run("/usr/bin/env", (container?.entering ?? []) + command).text
    }
}

/// A container's network on the test's own, as behind the engine's bridge: `10.88.0.2`, with port 80 of `10.88.0.1` for the gateway.
private final class TestContainer {
    private let process = Process()
    /// Words before a command that is to run in it.
    var entering: [String] { ["nsenter", "-t", "\(process.processIdentifier)", "-n"] }

    init(gatewayPort: UInt16) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["unshare", "-n", "sleep", "600"]
        try process.run()
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self/ns/net")
        for _ in 0..<1000 {
            let its = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process.processIdentifier)/ns/net")
            if its != own { break }
            usleep(10_000)
        }
        let script = """
            set -e
            ip link add sk0 type veth peer name eth0 netns \(process.processIdentifier)
            ip addr add 10.88.0.1/16 dev sk0
            ip link set sk0 up
            nft 'table inet sktest { chain prerouting { type nat hook prerouting priority dstnat; policy accept;
                iifname "sk0" ip daddr 10.88.0.1 tcp dport 80 redirect to :\(gatewayPort); }; }'
            \(entering.joined(separator: " ")) sh -ec \
                'ip addr add 10.88.0.2/16 dev eth0; ip link set eth0 up; ip route add default via 10.88.0.1'
            """
        let made = try run("/bin/sh", ["-c", script])
        guard made.code == 0 else { throw TestFailure("no container's network: \(made.text)") }
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
