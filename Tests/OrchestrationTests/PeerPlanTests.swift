import Orchestration
import SidekickModel
import Testing

struct PeerPlanTests {
    private static func replica(_ id: Int64, on host: String, rung: Rung?, phase: ObservedReplica.Phase, ready: Bool = false)
        -> ReplicaView
    {
        let record = ReplicaRecord(
            id: ReplicaID(id), service: "web", revision: 1, host: host, desired: .rung(rung ?? .prepared), generation: 1,
            createdAt: .zero)
        var observed = ObservedReplica(replica: ReplicaID(id), service: "web", revision: 1, generation: 1, phase: phase)
        observed.rung = rung
        observed.ready = ready
        return ReplicaView(record: record, observed: observed)
    }

    private static func service(_ replicas: [ReplicaView]) -> ServiceView {
        ServiceView(
            record: ServiceRecord(name: "web", revision: 1, createdAt: .zero), revisions: [:], rollout: nil, replicas: replicas)
    }

    private static func gateway(_ host: String) -> PeerPlan.Gateway {
        PeerPlan.Gateway(address: "10.0.0.1:1", zone: "", liveness: .alive)
    }

    @Test func `a host counts with what serves there and what its own wake could bring online`() throws {
        let view = Self.service([
            Self.replica(1, on: "a", rung: .online, phase: .settled, ready: true),
            Self.replica(2, on: "a", rung: .prepared, phase: .settled),
            Self.replica(3, on: "b", rung: .frozen, phase: .settled),
            Self.replica(4, on: "b", rung: nil, phase: .failed),
            Self.replica(5, on: "c", rung: nil, phase: .stopping),
            Self.replica(6, on: "d", rung: nil, phase: .starting),
        ])
        let peers = try #require(PeerPlan.peers(of: view, gateway: Self.gateway))
        #expect(peers.map(\.host) == ["a", "b", "d"])
        #expect(peers.map(\.online) == [1, 0, 0])
        #expect(peers.map(\.standby) == [1, 1, 1])
    }

    @Test
    func `nothing is told while a host with replicas is not known, and lost hosts and those without a gateway are left out`() {
        let view = Self.service(
            ["a", "b", "c"].enumerated().map {
                Self.replica(Int64($0.offset), on: $0.element, rung: .prepared, phase: .settled)
            })
        let one = { (liveness: HostView.Liveness, address: String?) in
            PeerPlan.peers(of: view) { host in
                PeerPlan.Gateway(
                    address: host == "b" ? address : "10.0.0.1:1", zone: "", liveness: host == "b" ? liveness : .alive)
            }
        }
        #expect(one(.unknown, "10.0.0.2:1") == nil)
        #expect(one(.lost, "10.0.0.2:1")?.map(\.host) == ["a", "c"])
        #expect(one(.alive, nil)?.map(\.host) == ["a", "c"])
        #expect(one(.suspected, "10.0.0.2:1")?.map(\.host) == ["a", "b", "c"])
    }

    @Test func `of many hosts every zone keeps some, those that serve first`() throws {
        let view = Self.service(
            (0..<200).map {
                let serves = $0 >= 190
                return Self.replica(
                    Int64($0), on: "h\($0)", rung: serves ? .online : .prepared, phase: .settled, ready: serves)
            })
        let peers = try #require(
            PeerPlan.peers(of: view) { host in
                PeerPlan.Gateway(address: "10.0.0.1:1", zone: host.hasSuffix("7") ? "small" : "large", liveness: .alive)
            })
        #expect(peers.count == PeerPlan.limit)
        #expect(peers.count { $0.zone == "small" } == 16)
        #expect(peers.count { $0.online > 0 } == 10)
    }

    @Test func `large counts are told roughly, so that they seldom change`() {
        #expect([0, 1, 8, 9, 15, 16, 40, 1000].map(RoutePeer.rounded) == [0, 1, 8, 8, 8, 16, 32, 512])
    }
}
