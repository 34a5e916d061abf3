import ControlAPI
import Foundation
import LoadGenerator
import SidekickModel
import Testing

/// The main job, smaller than deploy/demo.sh: from zero, up, patched, a broken patch rolled back, to zero, nothing left behind.
@Suite(.serialized) struct MainJobTests {
    @Test func `a service scales from zero and back, patched under load, and fails no request`() async throws {
        try await StandaloneHost.run { host in
            try await host.startWithExample()
            for file in ["hello-2.tar", "hello-3-broken.tar"] {
                try await host.must("image", "import", try await ExampleImages.path(file))
            }
            try await host.must("wait", "hello", "--for", "zero")

            let (first, _) = try await host.underLoad(rate: 500, seconds: 20) {
                try await host.must("rollout", "start", "hello", "--image", "hello:2", "--wait", "--timeout", "30s")
            }
            expectNoneFailed(first)
            #expect(first.total.byVersion["1"] ?? 0 > 0)
            #expect(first.total.byVersion["2"] ?? 0 > 0)

            let (second, outcome) = try await host.underLoad(rate: 300, seconds: 25) {
                try await host.verb("rollout", "start", "hello", "--image", "hello:3", "--wait", "--timeout", "40s")
            }
            expectNoneFailed(second)
            #expect(outcome.code == 1, "a broken version must not succeed: \(outcome.output)")
            #expect(second.total.byVersion == ["2": second.total.answered], "only the version that works answered")
            #expect(try await host.client.service("hello").rollout?.phase == .rolledBack)

            let peak = try await host.client.decisions("hello", limit: 1000).map(\.onlineAfter).max() ?? 0
            #expect(peak >= 3, "500 requests a second at 200 a replica need three")
            try await host.must("wait", "hello", "--for", "zero", "--timeout", "60s")
            let sql = try await Programs.run(
                "/usr/bin/sqlite3", ["\(host.root)/data/controller/state.db", "select name, desired_online from services"])
            #expect(sql.output == "hello|0\n", "\(sql.errors)")
            try await host.must("delete", "hello", "--wait", "--timeout", "30s")
        }
    }

    @Test func `an undone rollout returns to the version before`() async throws {
        try await StandaloneHost.run { host in
            try await host.startWithExample(["min: 0": "min: 1"])
            try await host.must("image", "import", try await ExampleImages.path("hello-2.tar"))
            let (report, _) = try await host.underLoad(rate: 50, seconds: 12) {
                try await host.must("rollout", "start", "hello", "--image", "hello:2", "--wait", "--timeout", "30s")
                try await host.must("rollout", "undo", "hello", "--wait", "--timeout", "30s")
            }
            expectNoneFailed(report)
            let status = try await host.client.service("hello")
            #expect(status.spec.image == "hello:1")
            #expect(status.record.revision == 3, "an undo is a revision of its own")
        }
    }
}
