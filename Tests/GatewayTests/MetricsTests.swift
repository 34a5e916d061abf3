import AgentProtocol
import EventLoop
import Foundation
import Gateway
import Glibc
import Logging
import SidekickModel
import Testing

struct MetricsTests {
    @Test func `what became of requests is counted where the operator reads it`() async throws {
        let replica = try TestReplica()
        let admin = "/tmp/sk-gw-admin-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        defer { unlink(admin) }
        try await TestGateway.with([TestGateway.web([replica])], threads: 1, change: { $0.admin = admin }) { gateway in
            for _ in 0..<7 { _ = try gateway.client().get() }
            _ = try gateway.client().get(host: "nobody")
            try gateway.route([TestGateway.web([], deadline: 60_000)])
            let held = try gateway.client()
            held.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try gateway.agent.messages.take {
                if case .held(let sample) = $0 { sample.service == "web" } else { false }
            }
            let text = try Self.get("/metrics", admin)
            let lines = Set(text.split(separator: "\n").map(String.init))
            for line in [
                "sidekick_gateway_requests_total{service=\"web\",code=\"2xx\"} 7",
                "sidekick_gateway_requests_held{service=\"web\"} 1",
                "sidekick_gateway_requests_open{service=\"web\"} 1", "sidekick_gateway_request_seconds_count{service=\"web\"} 7",
                "sidekick_gateway_request_seconds_bucket{service=\"web\",le=\"+Inf\"} 7", "sidekick_gateway_agent_connected 1",
                "# TYPE sidekick_gateway_request_seconds histogram",
                "# TYPE sidekick_gateway_replica_seconds histogram",
            ] {
                #expect(lines.contains(line), "\(line) in\n\(text)")
            }
            #expect(lines.contains { $0.hasPrefix("sidekick_gateway_unrouted_requests_total{code=\"4xx\"} ") })
            // Back for good, the replica's numbers are those of before: a replica's counters belong to its address.
            try gateway.route([TestGateway.web([replica])])
            #expect(try held.response().status == 200)
            let again = try Self.get("/metrics", admin)
            let name = "{service=\"web\",replica=\"r1\",revision=\"1\""
            for line in [
                "sidekick_gateway_replica_requests_total\(name),code=\"2xx\"} 8",
                "sidekick_gateway_replica_seconds_count\(name)} 8", "sidekick_gateway_replica_requests\(name)} 0",
                "sidekick_gateway_hold_seconds_count{service=\"web\"} 8",
            ] {
                #expect(again.split(separator: "\n").contains { $0 == line }, "\(line) in\n\(again)")
            }
            #expect(try Self.get("/healthz", admin) == "ok\n")
        }
    }

    static func get(_ path: String, _ socket: String) throws -> String {
        let connection = try BlockingSocket.connect(unix: socket)
        connection.write(Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
        guard let message = MessageReader(connection).message(untilClose: true) else { throw TestFailure("no answer") }
        return message.text
    }
}
