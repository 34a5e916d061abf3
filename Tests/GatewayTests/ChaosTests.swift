import AgentProtocol
import Foundation
import Gateway
import Glibc
import SidekickModel
import Synchronization
import Testing

struct ChaosTests {
    struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    }

    /// Answers well, or breaks in the way the path asks for.
    private static func replica(_ number: Int64) throws -> TestReplica {
        try TestReplica(number) { request, connection in
            let path = request.firstLine.split(separator: " ")[1]
            switch path {
            case "/break": return false
            case "/cut":
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc")
                return false
            case "/nonsense":
                connection.send("nonsense\r\n\r\n")
                return false
            case "/big":
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in 0..<20 { connection.send("2710\r\n\(String(repeating: "x", count: 10_000))\r\n") }
                connection.send("0\r\n\r\n")
                return true
            case "/last":
                _ = TestReplica.answer(request, connection)
                return false
            default:
                if path.hasPrefix("/slow") { usleep(3000) }
                return TestReplica.answer(request, connection)
            }
        }
    }

    /// One client's turn; nil when all was as it must be, else what was not.
    private static func turn(_ random: inout Random, _ gateway: TestGateway, _ kept: TestClient) throws -> String? {
        switch random.below(12) {
        case 0:
            let client = try gateway.client()
            client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nab")
            if random.below(2) == 0 { client.socket.reset() }
        case 1:
            let client = try gateway.client()
            client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = client.socket.read(limit: 1 + random.below(1000))
            client.socket.reset()
        case 2:
            let client = try gateway.client()
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            usleep(UInt32(random.below(4000)))
        case 3:
            let status = try gateway.client().get(["/break", "/nonsense"][random.below(2)]).status
            if status != 502 { return "a broken replica gave \(status)" }
        case 4:
            if try gateway.client().get("/cut").isWhole { return "a cut response came whole" }
        case 5:
            let client = try gateway.client()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz\r\n")
            let status = try client.response().status
            if status != 400 { return "a malformed chunk gave \(status)" }
        case 6:
            let body = String(repeating: "b", count: 1 + random.below(60_000))
            kept.send("PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
            kept.send(body)
            let response = try kept.response()
            if !response.text.hasSuffix(" PUT /slow \(body.utf8.count)") { return "put gave \(response.status) \(response.text)" }
        case 7:
            kept.send((0..<5).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            for number in 0..<5 {
                let response = try kept.response()
                if !response.text.hasSuffix(" GET /\(number) 0") { return "pipelined gave \(response.status) \(response.text)" }
            }
        case 8:
            let response = try kept.get("/big")
            if response.body.count != 200_000 || !response.isWhole { return "big gave \(response.body.count) bytes" }
        default:
            let path = ["/last", "/slow", "/x"][random.below(3)]
            let response = try kept.get(path)
            if !response.text.hasSuffix(" GET \(path) 0") { return "\(path) gave \(response.status) \(response.text)" }
        }
        return nil
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `whatever clients and replicas do, no good request fails and no place is lost`(seed: UInt64) async throws {
        let replicas = try (1...4).map { try Self.replica($0) }
        try await TestGateway.with([TestGateway.web(replicas, concurrency: 2)]) { gateway in
            let done = Mailbox<[String]>()
            for number in 0..<8 {
                Thread.detachNewThread {
                    var random = Random(state: seed << 8 | UInt64(number))
                    var wrong: [String] = []
                    do {
                        let kept = try gateway.client()
                        for _ in 0..<60 { if let words = try Self.turn(&random, gateway, kept) { wrong.append(words) } }
                    } catch {
                        wrong.append("\(error)")
                    }
                    done.put(wrong)
                }
            }
            var random = Random(state: seed)
            for _ in 0..<50 {
                let listed = replicas.filter { _ in random.below(4) > 0 }
                let draining = Set(listed.filter { _ in random.below(4) == 0 }.map(\.number))
                gateway.agent.send(.service(TestGateway.web(listed, concurrency: 2, draining: draining)))
                usleep(UInt32(random.below(10_000)))
            }
            gateway.agent.send(.service(TestGateway.web(replicas, concurrency: 2)))
            for _ in 0..<8 {
                let wrong = try done.take(seconds: 120)
                #expect(wrong == [], "seed \(seed)")
            }
            _ = try gateway.agent.messages.take {
                guard case .load(let samples) = $0, let web = samples.first(where: { $0.service == "web" }) else { return false }
                return web.inflight == 0 && web.busy == 0 && web.queue == 0
            }
        }
    }
}
