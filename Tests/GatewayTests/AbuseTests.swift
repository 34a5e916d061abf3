import AgentProtocol
import Foundation
import Gateway
import Glibc
import SidekickModel
import Testing

/// Hostile and clumsy clients, and what the others notice of them. Times are printed; what is asserted is that everybody else is served.
@Suite(.serialized) struct AbuseTests {
    /// A connection from any loopback address, as a bare descriptor: there are thousands of them. -1 when refused.
    private static func connect(_ port: UInt16, from source: UInt32 = 0x7F00_0001) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        func address(_ number: UInt32, _ port: UInt16) -> sockaddr_in {
            sockaddr_in(
                sin_family: sa_family_t(AF_INET), sin_port: port.bigEndian, sin_addr: in_addr(s_addr: number.bigEndian),
                sin_zero: (0, 0, 0, 0, 0, 0, 0, 0))
        }
        func call(_ address: sockaddr_in, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
            withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard call(address(source, 0), bind) == 0, call(address(0x7F00_0001, port), Glibc.connect) == 0 else {
            close(descriptor)
            return -1
        }
        return descriptor
    }

    /// How many files this process may come to have open.
    private static func descriptors() -> Int {
        let text = FileManager.default.contents(atPath: "/proc/self/limits").map { String(decoding: $0, as: UTF8.self) } ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("Max open files") }
        return line?.split(separator: " ").compactMap { Int($0) }.max() ?? 1024
    }

    private static func send(_ descriptor: Int32, _ text: String) -> Bool {
        var text = text
        return text.withUTF8 { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) == $0.count }
    }

    /// Runs `attack` beside bystanders and prints what they noticed.
    private static func measure(_ name: String, _ gateway: TestGateway, _ attack: () throws -> Void) throws {
        let bystanders = Bystanders(port: gateway.port)
        defer { bystanders.stop() }
        usleep(700_000)
        let before = bystanders.take()
        let start = Date()
        try attack()
        let during = bystanders.take()
        print(
            String(
                format: "%@: bystanders' p99 %.2f ms alone, %.2f ms beside it (median %.2f, worst %.1f, %d requests in %.1f s)",
                name,
                before.p99, during.p99, during.median, during.worst, during.requests, -start.timeIntervalSinceNow))
        #expect(during.failures.isEmpty, "\(name): \(during.failures.prefix(3))")
        #expect(during.requests > 10, "\(name)")
        #expect(during.p99 < 1000, "\(name)")
    }

    @Test func `clients that send their head byte by byte are answered 408 in time`() async throws {
        let replica = try TestReplica()
        defer { withExtendedLifetime(replica) {} }
        try await TestGateway.with(
            [TestGateway.web([replica])], change: { $0.timeouts.head = .seconds(1) }
        ) { gateway in
            try Self.measure("300 slow heads", gateway) {
                let slow = (0..<300).map { _ in Self.connect(gateway.port) }
                defer { for descriptor in slow { close(descriptor) } }
                for byte in "GET / HTTP/1.1\r\nHost: a\r\nX-Slow".utf8.prefix(14) {
                    for descriptor in slow { _ = Self.send(descriptor, String(UnicodeScalar(byte))) }
                    usleep(100_000)
                }
                for descriptor in slow {
                    #expect(MessageReader(BlockingSocket(dup(descriptor))).message(untilClose: true)?.status == 408)
                }
            }
        }
    }

    @Test func `a body slower than the least rate is given up, a slow one above it is not`() async throws {
        let replica = try TestReplica()
        defer { withExtendedLifetime(replica) {} }
        try await TestGateway.with(
            [TestGateway.web([replica])],
            change: {
                $0.minimumRate = 2000
                $0.timeouts.slow = .seconds(1)
            }
        ) { gateway in
            try Self.measure("50 slow bodies", gateway) {
                let slow = (0..<50).map { _ in Self.connect(gateway.port) }
                defer { for descriptor in slow { close(descriptor) } }
                let steady = try gateway.client()
                steady.send("POST /steady HTTP/1.1\r\nHost: a\r\nContent-Length: 12000\r\n\r\n")
                for descriptor in slow {
                    _ = Self.send(descriptor, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12000\r\n\r\n")
                }
                for _ in 0..<30 {
                    steady.send(String(repeating: "x", count: 400))
                    for descriptor in slow { _ = Self.send(descriptor, "xx") }
                    usleep(100_000)
                }
                #expect(try steady.response().text == "1 POST /steady 12000")
                for descriptor in slow {
                    #expect(MessageReader(BlockingSocket(dup(descriptor))).message(untilClose: true)?.status == 408)
                }
            }
        }
    }

    @Test func `ten thousand connections are open while others are served`() async throws {
        // Both ends are this process, and the gateway keeps a quarter for replicas: where it may have fewer descriptors, there are fewer.
        let count = min(10_000, (Self.descriptors() - 1000) / 2)
        let replica = try TestReplica()
        defer { withExtendedLifetime(replica) {} }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            var crowd: [Int32] = []
            defer { for descriptor in crowd { close(descriptor) } }
            try Self.measure("\(count) connections", gateway) {
                for number in 0..<count { crowd.append(Self.connect(gateway.port, from: 0x7F00_0002 + UInt32(number / 2500))) }
                #expect(!crowd.contains(-1))
                usleep(500_000)
                // Each of them is served when it asks.
                for descriptor in crowd.shuffled().prefix(200) {
                    #expect(Self.send(descriptor, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
                    #expect(MessageReader(BlockingSocket(dup(descriptor))).message(untilClose: true)?.status == 200)
                }
            }
        }
    }

    @Test func `a head without end is refused after its first kilobytes`() async throws {
        let replica = try TestReplica()
        defer { withExtendedLifetime(replica) {} }
        try await TestGateway.with([TestGateway.web([replica])]) { gateway in
            try Self.measure("8 heads of 100 MB", gateway) {
                for _ in 0..<8 {
                    let client = try gateway.client()
                    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
                    let block = [UInt8](repeating: 0x61, count: 64 << 10)
                    var sent = 0
                    while sent < 100 << 20, client.socket.write(block) { sent += block.count }
                    // The rest meets a closed connection; what the kernels hold between is all that was taken.
                    #expect(sent < 30 << 20)
                }
                let polite = try gateway.client()
                polite.send("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 20_000))\r\n\r\n")
                #expect(try polite.response().status == 431)
                usleep(300_000)
            }
        }
    }

    @Test func `endless chunk extensions and endless chunks cost the others nothing`() async throws {
        let replica = try TestReplica()
        defer { withExtendedLifetime(replica) {} }
        let sink = try Self.sink()
        defer { withExtendedLifetime(sink) {} }
        try await TestGateway.with([TestGateway.web([replica]), Self.service(sink)]) { gateway in
            try Self.measure("endless chunk extension", gateway) {
                let client = try gateway.client()
                client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;")
                client.send(String(repeating: "x", count: 1000))
                usleep(300_000)
                #expect(try client.response().status == 400)
            }
            try Self.measure("endless chunk at full speed", gateway) {
                let end = Date(timeIntervalSinceNow: 2)
                let client = try gateway.client()
                client.send("POST / HTTP/1.1\r\nHost: sink\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n")
                let block = [UInt8](repeating: 0x61, count: 256 << 10)
                var sent = 0
                while Date() < end, client.socket.write(block) { sent += block.count }
                print("  it sent \(sent >> 20) MB")
            }
        }
    }

    /// A replica that reads all that comes.
    private static func sink() throws -> TestReplica {
        try TestReplica(9, readsBody: false) { _, connection in
            while connection.socket.read(limit: 1 << 20)?.isEmpty == false {}
            return false
        }
    }

    private static func service(_ sink: TestReplica) -> GatewayService {
        GatewayService(
            route: TestGateway.route("sink", host: "sink"),
            endpoints: [GatewayEndpoint(replica: ReplicaID(9), revision: 1, address: "127.0.0.1:\(sink.port)", draining: false)])
    }

    @Test func `one who sends requests faster than they can be refused gets no more than its turn`() async throws {
        let replica = try TestReplica()
        defer { withExtendedLifetime(replica) {} }
        try await TestGateway.with([TestGateway.web([replica])], threads: 1) { gateway in
            try Self.measure("flood of refused requests", gateway) {
                let client = try gateway.client()
                let reader = dup(client.socket.descriptor)
                Thread.detachNewThread {
                    let socket = BlockingSocket(reader)
                    while socket.read(limit: 1 << 20)?.isEmpty == false {}
                }
                let requests = Array(String(repeating: "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n", count: 5000).utf8)
                let end = Date(timeIntervalSinceNow: 2)
                var rounds = 0
                while Date() < end, client.socket.write(requests) { rounds += 1 }
                print("  it had \(rounds * 5000) requests refused")
                client.socket.shutdown()
            }
        }
    }

    @Test func `beyond the limits connections are refused cleanly, by address and in all`() async throws {
        let replica = try TestReplica()
        defer { withExtendedLifetime(replica) {} }
        try await TestGateway.with(
            [TestGateway.web([replica])],
            change: {
                $0.connectionsPerSource = 5
                $0.maximumConnections = 12
            }
        ) { gateway in
            func status(_ descriptor: Int32) -> Int? {
                _ = Self.send(descriptor, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                return MessageReader(BlockingSocket(dup(descriptor))).message(untilClose: true)?.status
            }
            // The clients that waited for the routes are gone within a moment.
            usleep(300_000)
            var held: [Int32] = []
            defer { for descriptor in held { close(descriptor) } }
            for source in [0x7F00_0005, 0x7F00_0006] as [UInt32] {
                for _ in 0..<5 {
                    held.append(Self.connect(gateway.port, from: source))
                    #expect(status(held[held.count - 1]) == 200)
                }
                let refused = Self.connect(gateway.port, from: source)
                #expect(status(refused) == 429)
                close(refused)
            }
            usleep(100_000)
            for expected in [200, 200, 503, 503] {
                let one = Self.connect(gateway.port, from: 0x7F00_0007)
                #expect(status(one) == expected)
                if expected == 200 { held.append(one) } else { close(one) }
            }
            close(held.removeFirst())
            usleep(100_000)
            let again = Self.connect(gateway.port, from: 0x7F00_0005)
            #expect(status(again) == 200)
            close(again)
        }
    }

    @Test func `readers slower than the least rate are cut off, a slow one above it gets everything`() async throws {
        let size = 6 << 20
        let replica = try TestReplica(2) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            return connection.socket.write([UInt8](repeating: 0x78, count: size))
        }
        let big = GatewayService(
            route: TestGateway.route("big", host: "big"),
            endpoints: [
                GatewayEndpoint(replica: ReplicaID(2), revision: 1, address: "127.0.0.1:\(replica.port)", draining: false)
            ])
        let plain = try TestReplica()
        defer { withExtendedLifetime((plain, replica)) {} }
        try await TestGateway.with(
            [TestGateway.web([plain]), big],
            change: {
                $0.minimumRate = 100_000
                $0.timeouts.slow = .seconds(1)
            }
        ) { gateway in
            try Self.measure("20 readers that read nothing", gateway) {
                let stuck = try (0..<20).map { _ in try TestClient(port: gateway.port, receiveBuffer: 4096) }
                for client in stuck { client.send("GET / HTTP/1.1\r\nHost: big\r\n\r\n") }
                let steady = try TestClient(port: gateway.port, receiveBuffer: 64 << 10)
                steady.send("GET / HTTP/1.1\r\nHost: big\r\n\r\n")
                var got = 0
                let start = Date()
                while got < size, let bytes = steady.socket.read(limit: 64 << 10), !bytes.isEmpty {
                    got += bytes.count
                    // About 1 MB a second.
                    let ahead = Double(got) / 1e6 + start.timeIntervalSinceNow
                    if ahead > 0 { usleep(useconds_t(ahead * 1e6)) }
                }
                #expect(got >= size)
                // By now the others were given up: their connections are cut before the end.
                for client in stuck {
                    var total = 0
                    while let bytes = client.socket.read(), !bytes.isEmpty { total += bytes.count }
                    #expect(total < size)
                }
            }
        }
    }
}
