import AgentProtocol
import Foundation
import Glibc
import SidekickModel
import Testing

/// Clients and servers of others, through the gateway: gRPC and WebSocket, also while replicas are replaced under them.
@Suite(.serialized) struct RealClientTests {
    private static func service(
        _ endpoints: [(number: Int64, port: String, draining: Bool)], host: String, _ speaks: PortProtocol
    ) -> GatewayService {
        GatewayService(
            route: TestGateway.route("web", host: host),
            endpoints: endpoints.map {
                GatewayEndpoint(
                    replica: ReplicaID($0.number), revision: 1, address: "127.0.0.1:\($0.port)", draining: $0.draining,
                    speaks: speaks)
            })
    }

    @Test func `every kind of gRPC call works, with deadlines, errors and messages larger than any buffer`() async throws {
        try await TestGateway.with { gateway in
            let server = try OtherProgram("grpc_server.py", "one")
            try gateway.route([Self.service([(1, try server.line(), false)], host: "a", .h2c)])
            let client = try OtherProgram("grpc_client.py", "\(gateway.port)", "kinds")
            let expected = [
                "unary one hello one OK", "large 5242884", "server stream 2000 2000 1", "client stream 1000000",
                "both streams 0 OK", "Fail FAILED_PRECONDITION not now: ü because",
                "Missing UNIMPLEMENTED Method not found! None", "deadline DEADLINE_EXCEEDED", "cancelled yes",
                "no route UNIMPLEMENTED",
            ]
            for line in expected { #expect(try client.line() == line) }
        }
    }

    @Test func `no gRPC call fails while replicas are replaced under load`() async throws {
        try await TestGateway.with { gateway in
            var old = try OtherProgram("grpc_server.py", "r0")
            var oldPort = try old.line()
            try gateway.route([Self.service([(1, oldPort, false)], host: "a", .h2c)])
            let client = try OtherProgram("grpc_client.py", "\(gateway.port)", "rollout")
            #expect(try client.line() == "begun")
            for round in 1...3 {
                usleep(500_000)
                let new = try OtherProgram("grpc_server.py", "r\(round)")
                let newPort = try new.line()
                let (from, to) = (Int64(round), Int64(round + 1))
                gateway.agent.send(.service(Self.service([(from, oldPort, true), (to, newPort, false)], host: "a", .h2c)))
                _ = try gateway.agent.messages.take { $0 == .drained(ReplicaID(from)) }
                gateway.agent.send(.service(Self.service([(to, newPort, false)], host: "a", .h2c)))
                #expect(old.terminate() == 0)
                (old, oldPort) = (new, newPort)
            }
            usleep(500_000)
            client.say("stop")
            let calls = try client.line()
            #expect(Int(calls.dropFirst(6)) ?? 0 > 100, "\(calls)")
            let failed = try client.line()
            #expect(failed == "failed 0")
            #expect(try client.line() == "servers r0 r1 r2 r3")
            print("gRPC across three rollouts: \(calls), \(failed)")
        }
    }

    @Test func `open WebSockets stay with a draining replica until they close, new ones go to the new`() async throws {
        try await TestGateway.with { gateway in
            let (a, b) = (try OtherProgram("websocket_server.py", "a"), try OtherProgram("websocket_server.py", "b"))
            let (portA, portB) = (try a.line(), try b.line())
            try gateway.route([Self.service([(1, portA, false)], host: "127.0.0.1", .http1)])
            let client = try OtherProgram("websocket_client.py", "\(gateway.port)")
            #expect(try client.line() == "old a")
            gateway.agent.send(
                .service(Self.service([(1, portA, true), (2, portB, false)], host: "127.0.0.1", .http1)))
            // In force at once, but told of through another connection than the client's.
            usleep(200_000)
            client.say("go on")
            #expect(try client.line() == "old a new b")
            #expect(try client.line() == "large 900002")
            #expect(throws: TestFailure.self) {
                _ = try gateway.agent.messages.take(seconds: 0.2) { $0 == .drained(ReplicaID(1)) }
            }
            client.say("close")
            _ = try gateway.agent.messages.take { $0 == .drained(ReplicaID(1)) }
            #expect(try client.line() == "closed {1000} new b")
        }
    }
}
