import ControlAPI
import Foundation
import SidekickModel
import Testing

/// Requests that come to a host without a replica: hosts are network namespaces, everything in them is real.
@Suite(.serialized) struct ForwardingTests {
    /// The example with standbys that the autoscaler leaves alone, `standby` of them.
    private func apply(_ fleet: HostNetwork, standby: Int, min: Int = 0) async throws {
        try await fleet.must("image", "import", try await ExampleImages.path("hello-1.tar"))
        var text = try String(contentsOfFile: Programs.repository + "/deploy/examples/hello.yaml", encoding: .utf8)
        text = text.replacingOccurrences(of: "min: 0, max: 8, standby: auto", with: "min: \(min), max: 8, standby: \(standby)")
        text = text.replacingOccurrences(of: "idle: 2s", with: "idle: 1s")
        let file = "\(fleet.root)/hello.yaml"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        try await fleet.must("apply", "-f", file, "--wait", "--timeout", "60s")
    }

    private struct Standing {
        var online: [String] = []
        var standby: [String] = []
    }

    /// Which hosts have what, in order.
    private func standing(_ fleet: HostNetwork) async throws -> Standing {
        var standing = Standing()
        for replica in try await fleet.client.service("hello").replicas {
            guard let observed = replica.observed, observed.phase == .settled else { continue }
            if observed.ready {
                standing.online.append(replica.record.host)
            } else {
                standing.standby.append(replica.record.host)
            }
        }
        standing.online.sort()
        standing.standby.sort()
        return standing
    }

    private func settled(_ fleet: HostNetwork, online: Int, standby: Int) async throws -> Standing {
        try await eventually("\(online) online and \(standby) standby") {
            // A controller just started does not answer yet.
            (try? await standing(fleet)) ?? Standing()
        } until: {
            $0.online.count == online && $0.standby.count == standby
        }
    }

    @Test func `a request to a host that has nothing is served by another, online or not`() async throws {
        try await HostNetwork.run(hosts: 2) { fleet in
            try await apply(fleet, standby: 0, min: 1)
            let home = try await settled(fleet, online: 1, standby: 0).online[0]
            let other = try #require(fleet.hosts.first { $0.name != home })
            let first = try await eventually("\(other.name) knows of \(home)") {
                try await fleet.get(other)
            } until: {
                $0.status == 200
            }
            print("served elsewhere: \(first)")
            let big = try await fleet.get(other, ["--data-binary", "@\(try await ExampleImages.path("hello-1.tar"))"])
            #expect(big.status == 200, "\(big)")
        }
    }

    @Test func `standbys are woken here and elsewhere with the controller killed`() async throws {
        try await HostNetwork.run(hosts: 2) { fleet in
            try await apply(fleet, standby: 1)
            let home = try await settled(fleet, online: 0, standby: 1).standby[0]
            let here = try #require(fleet.hosts.first { $0.name == home })
            let other = try #require(fleet.hosts.first { $0.name != home })
            await fleet.killController()
            let elsewhere = try await fleet.get(other)
            print("woken from another host: \(elsewhere)")
            #expect(elsewhere.status == 200, "\(elsewhere)")
            #expect(elsewhere.seconds < 8)
            let local = try await fleet.get(here)
            #expect(local.status == 200, "\(local)")
            try fleet.startController()
            _ = try await settled(fleet, online: 0, standby: 1)
            await fleet.killController()
            let woken = try await fleet.get(here)
            print("woken on its own host: \(woken)")
            #expect(woken.status == 200, "\(woken)")
        }
    }

    @Test
    func `with the nearest host lost the request still answers in time, from the next one or, when there is none, with 503`()
        async throws
    {
        try await HostNetwork.run(hosts: 3, zones: ["a", "a", "b"]) { fleet in
            try await apply(fleet, standby: 3)
            _ = try await settled(fleet, online: 0, standby: 3)
            // Nothing stays on the host that is asked.
            try await fleet.must("host", "drain", "h1")
            _ = try await eventually("nothing is left on h1") {
                try await fleet.client.service("hello").replicas.filter { $0.record.host == "h1" }.count
            } until: {
                $0 == 0
            }
            _ = try await eventually("three standbys stand on the others") {
                try await self.standing(fleet).standby.count
            } until: {
                $0 == 3
            }
            let (asked, near, far) = (fleet.hosts[0], fleet.hosts[1], fleet.hosts[2])
            await fleet.killController()
            try await fleet.lose(near)
            let answer = try await fleet.get(asked)
            print("the near host is lost: \(answer)")
            #expect(answer.status == 200, "\(answer)")
            #expect(answer.seconds < 10)
            let again = try await fleet.get(asked)
            print("and once that is known: \(again)")
            #expect(again.status == 200, "\(again)")
            try await fleet.lose(far)
            let last = try await fleet.get(asked, ["-D", "\(fleet.root)/head"])
            print("every host is lost: \(last)")
            #expect(last.status == 503, "\(last)")
            #expect(last.seconds < 16)
            let head = try String(contentsOfFile: "\(fleet.root)/head", encoding: .utf8)
            #expect(head.lowercased().contains("retry-after:"), "\(head)")
        }
    }
}
