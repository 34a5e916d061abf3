import AgentProtocol
import Foundation
import Gateway
import SidekickModel
import Testing

struct CanaryShareTests {
    @Test func `a canary gets exactly its share of the requests, and all or none as soon as the agent says so`() async throws {
        let old = [try TestReplica(1), try TestReplica(2)]
        let new = try TestReplica(3)
        @Sendable func service(_ percent: Int?) -> GatewayService {
            var route = TestGateway.route("web", host: "a")
            route.shares = percent.map { [RevisionShare(revision: 2, percent: $0)] }
            return GatewayService(
                route: route,
                endpoints: (old + [new]).map {
                    GatewayEndpoint(
                        replica: ReplicaID($0.number), revision: $0.number == 3 ? 2 : 1, address: "127.0.0.1:\($0.port)",
                        draining: false)
                })
        }
        try await TestGateway.with([service(10)]) { gateway in
            let client = try gateway.client()
            @Sendable func toNew(_ client: TestClient) throws -> Int {
                try (0..<200).count { _ in try client.get().text.hasPrefix("3 ") }
            }
            #expect(try toNew(client) == 20)
            try gateway.route([service(50)])
            #expect(try toNew(client) == 100)
            try gateway.route([service(0)])
            #expect(try toNew(client) == 0)
            try gateway.route([service(nil)])
            #expect((60...73).contains(try toNew(client)))
        }
    }
}
