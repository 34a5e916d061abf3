import AgentProtocol
import Dispatch
import EventLoop
import Foundation
import Gateway
import SidekickModel
import Synchronization
import Testing

struct PeerTests {
    private static let secret = "0123456789abcdef"

    /// Waits for async work on a thread that may wait.
    private static func wait(for body: @escaping @Sendable () async throws -> Void) throws {
        let done = Mailbox<Result<Void, any Error>>()
        Task { done.put(await Result { try await body() }) }
        try done.take(seconds: 120).get()
    }

    private static func web(
        _ replicas: [TestReplica] = [], peers: [(port: UInt16, online: Int, standby: Int)] = [], standby: Int = 0,
        deadline: Int64 = 10_000
    ) -> GatewayService {
        var service = TestGateway.web(replicas, concurrency: 8, deadline: deadline)
        service.peers = peers.map {
            GatewayPeer(address: "127.0.0.1:\($0.port)", near: false, online: $0.online, standby: $0.standby)
        }
        service.standby = standby
        return service
    }

    /// Two gateways of one fleet: `here`, where clients are, and `there`.
    private func withTwo(_ body: @escaping @Sendable (_ here: TestGateway, _ there: TestGateway) throws -> Void) async throws {
        try await TestGateway.with(change: { $0.peerListen = "127.0.0.1:0" }) { there in
            there.agent.send(.peering(secret: Self.secret))
            try Self.wait {
                try await TestGateway.with { here in
                    here.agent.send(.peering(secret: Self.secret))
                    try body(here, there)
                }
            }
        }
    }

    @Test func `a request that nothing here can serve is served by another host, as if it were here`() async throws {
        let heads = Mailbox<MessageReader.Message>()
        let replica = try TestReplica(5) { request, connection in
            heads.put(request)
            return TestReplica.answer(request, connection)
        }
        try await withTwo { here, there in
            try there.route([Self.web([replica])])
            try here.route([Self.web(peers: [(there.peerPort, 1, 0)])])
            let client = try here.client()
            let response = try client.get("/x", fields: "sidekick-peer: forged\r\nX-Request-Id: mine\r\n")
            #expect(response.text == "5 GET /x 0")
            let head = try heads.take()
            #expect(head["sidekick-peer"] == nil)
            #expect(head["x-request-id"] == "mine")
            #expect(head["host"] == "a")
            #expect(head.fields.filter { $0.name == "x-forwarded-for" }.map(\.value) == ["127.0.0.1"])
            #expect(head.fields.count { $0.name == "x-forwarded-proto" } == 1)
            #expect(head.fields.count { $0.name == "x-forwarded-host" } == 1)
            client.send("POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            #expect(try client.response().text == "5 POST /y 5")
            client.send("POST /z HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<40 { client.send("2710\r\n\(String(repeating: "x", count: 10_000))\r\n") }
            client.send("0\r\n\r\n")
            #expect(try client.response().text == "5 POST /z 400000")
        }
    }

    @Test func `what one host serves for another is measured where it is served`() async throws {
        let replica = try TestReplica()
        try await withTwo { here, there in
            try there.route([Self.web([replica])])
            try here.route([Self.web(peers: [(there.peerPort, 1, 0)])])
            for _ in 0..<10 { #expect(try here.client().get().status == 200) }
            func arrivals(_ gateway: TestGateway, seconds: Int) throws -> Int {
                var sum = 0
                for _ in 0..<seconds {
                    let message = try gateway.agent.messages.take { if case .load = $0 { true } else { false } }
                    if case .load(let samples) = message {
                        sum += samples.filter { $0.service == "web" }.map(\.arrivals).reduce(0, +)
                    }
                }
                return sum
            }
            #expect(try arrivals(there, seconds: 2) == 10)
            #expect(try arrivals(here, seconds: 2) == 0)
        }
    }

    @Test func `whoever does not show that it is a gateway of the fleet is refused, and so is everybody without a secret`()
        async throws
    {
        let replica = try TestReplica()
        try await TestGateway.with([Self.web([replica])], change: { $0.peerListen = "127.0.0.1:0" }) { gateway in
            for secret in ["", Self.secret] {
                if !secret.isEmpty { gateway.agent.send(.peering(secret: secret)) }
                try gateway.route([Self.web([replica])])
                for field in [
                    "", "sidekick-peer: \r\n", "sidekick-peer:  0 web.sidekick.internal\r\n",
                    "sidekick-peer: wrong56789abcdef 0 web.sidekick.internal\r\n",
                    "sidekick-peer: \(Self.secret)\r\n", "sidekick-peer: \(Self.secret) 1x web.sidekick.internal\r\n",
                    "sidekick-peer: \(Self.secret) 99999999999999999999999 web.sidekick.internal\r\n",
                ] {
                    let client = try TestClient(port: gateway.peerPort)
                    #expect(try client.get(fields: field).status == 403)
                    #expect(client.isClosed)
                }
            }
            let client = try TestClient(port: gateway.peerPort)
            let good = "sidekick-peer: \(Self.secret) 0 web.sidekick.internal\r\n"
            #expect(try client.get(fields: good).text == "1 GET / 0")
            #expect(replica.seen.requests == 1)
        }
    }

    @Test func `a host that refuses connections costs no request`() async throws {
        let replica = try TestReplica()
        let dead = try TestReplica(9)
        dead.kill()
        try await withTwo { here, there in
            try there.route([Self.web([replica])])
            try here.route([Self.web(peers: [(dead.port, 5, 0), (there.peerPort, 1, 0)])])
            for _ in 0..<10 {
                let client = try here.client()
                client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
                #expect(try client.response().text == "1 POST / 2")
            }
        }
    }

    @Test func `a host that could bring one online holds the request, tells its agent, and serves it`() async throws {
        let replica = try TestReplica()
        try await withTwo { here, there in
            try there.route([Self.web(standby: 1)])
            try here.route([Self.web(peers: [(there.peerPort, 0, 1)])])
            let client = try here.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try there.agent.messages.take { if case .held(let sample) = $0 { sample.queue == 1 } else { false } }
            there.agent.send(.service(Self.web([replica])))
            #expect(try client.response().text == "1 GET / 0")
        }
    }

    @Test func `a request that comes back without a place waits here and goes again when there is one`() async throws {
        let replica = try TestReplica()
        try await withTwo { here, there in
            try there.route([Self.web()])
            try here.route([Self.web(peers: [(there.peerPort, 1, 0)])])
            let client = try here.client()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
            _ = try here.agent.messages.take { if case .held(let sample) = $0 { sample.queue == 1 } else { false } }
            try there.route([Self.web([replica])])
            #expect(try client.response().text == "1 POST / 2")
        }
    }

    @Test func `two hosts without a replica send nothing round and round`() async throws {
        try await withTwo { here, there in
            try there.route([Self.web(peers: [(here.peerPort, 1, 1)], deadline: 300)])
            try here.route([Self.web(peers: [(there.peerPort, 1, 1)], deadline: 300)])
            let response = try here.client().get()
            #expect(response.status == 503)
            #expect(response["retry-after"] != nil)
            #expect(response["sidekick-peer"] == nil)
        }
    }

    @Test func `a client that leaves takes its request off the other host too`() async throws {
        try await withTwo { here, there in
            try there.route([Self.web(standby: 1)])
            try here.route([Self.web(peers: [(there.peerPort, 0, 1)])])
            let client = try here.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try there.agent.messages.take { if case .load(let all) = $0 { all.contains { $0.queue == 1 } } else { false } }
            client.socket.shutdown()
            _ = try there.agent.messages.take { if case .load(let all) = $0 { all.allSatisfy { $0.queue == 0 } } else { false } }
        }
    }

    @Test func `a connection that changes its protocol goes through both`() async throws {
        let replica = try TestReplica(readsBody: false) { _, connection in
            connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            while let bytes = connection.socket.read(), !bytes.isEmpty { connection.socket.write(bytes) }
            return false
        }
        try await withTwo { here, there in
            try there.route([Self.web([replica])])
            try here.route([Self.web(peers: [(there.peerPort, 1, 0)])])
            let client = try here.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            #expect(client.reader.head()?.status == 101)
            client.send("ping")
            #expect(client.reader.take(4) == Array("ping".utf8))
            client.socket.endWriting()
            #expect(client.isClosed)
        }
    }

    @Test func `a restarted gateway knows its peers without the agent`() async throws {
        let replica = try TestReplica()
        let directory = "/tmp/sk-gw-peer-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(directory, 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await TestGateway.with(change: { $0.peerListen = "127.0.0.1:0" }) { there in
            there.agent.send(.peering(secret: Self.secret))
            try there.route([Self.web([replica])])
            try Self.wait {
                try await TestGateway.with(change: { $0.stateDirectory = directory }) { here in
                    here.agent.send(.peering(secret: Self.secret))
                    try here.route([Self.web(peers: [(there.peerPort, 1, 0)])])
                }
                try await TestGateway.with(greets: false, change: { $0.stateDirectory = directory }) { here in
                    let text = try here.client().get().text
                    #expect(text == "1 GET / 0")
                }
            }
        }
    }
}
