import EventLoop
import FoundationEssentials
import LoadGenerator
import SidekickModel
import Testing

@Suite(.serialized) struct LoadRunTests {
    /// Runs a load against a scripted server.
    private func load(
        rate: Double = 200, for duration: Milliseconds = Milliseconds(500), against script: @escaping @Sendable (Int) -> Reply,
        _ change: (inout LoadPlan) -> Void = { _ in }
    ) async throws -> (report: LoadReport, requests: [String]) {
        let server = try ScriptedServer(script)
        var plan = try LoadPlan(url: server.url)
        plan.phases = [LoadPhase(name: "steady", rate: rate, duration: duration)]
        plan.keepsRecords = true
        change(&plan)
        let report = try await LoadRun(plan).run()
        await server.stop()
        #expect(report.total.answered + report.total.failed == report.total.sent)
        return (report, server.requests)
    }

    @Test func `a steady load is answered, counted by status and version, on few connections`() async throws {
        let (report, requests) = try await load(against: { _ in Reply() })
        #expect(report.total.sent == 100)
        #expect(report.total.answered == 100)
        #expect(report.total.byStatus == ["200": 100])
        #expect(report.total.byVersion == ["1": 100])
        #expect(report.total.latency.count == 100)
        #expect(report.connectionsOpened < 100)
        #expect(requests.count == 100)
        #expect(requests[0].hasPrefix("GET /path?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"))
        #expect(Set(requests.compactMap { $0.split(separator: "X-Request-Id: ").last }).count == 100)
    }

    @Test func `phases are counted apart and rates may ramp`() async throws {
        let (report, _) = try await load(against: { _ in Reply() }) {
            $0.phases = [
                LoadPhase(name: "rise", startRate: 0, endRate: 400, duration: Milliseconds(500)),
                LoadPhase(name: "pause", rate: 0, duration: Milliseconds(50)),
                LoadPhase(name: "steady", rate: 400, duration: Milliseconds(100)),
            ]
        }
        #expect(report.phases.map(\.name) == ["rise", "pause", "steady"])
        #expect(report.phases.map(\.sent) == [100, 0, 40])
        #expect(report.total.answered == 140)
    }

    /// A server that takes nothing for 300 ms: a load that waited for answers would see one slow request.
    @Test(arguments: [1, 1000])
    func `a stall shows in every request that was due during it`(connections: Int) async throws {
        let (report, _) = try await load(
            rate: 200, for: .seconds(1),
            against: { number in
                // With many connections each request of the stall is answered at its end, with one the first blocks the rest.
                let remaining =
                    connections == 1 ? (number == 60 ? 300 : 0) : (60..<120).contains(number) ? 300 - (number - 60) * 5 : 0
                return Reply(delay: Milliseconds(Int64(remaining)))
            }
        ) { $0.maximumConnections = connections }
        #expect(report.total.sent == 200)
        #expect(report.total.answered == 200)
        let slow = report.records.count { $0.latency > 100_000_000 }
        // Those due in the first 200 ms of it; on a busy machine others may be slow too.
        #expect(slow >= 38, "\(slow) slow requests")
        #expect(report.total.latency.p90 > 150)
    }

    struct Failure: Sendable, CustomTestStringConvertible {
        var kind: String
        var reply: Reply
        var testDescription: String { "\(kind): \(reply.text.prefix(60))" }
    }

    static let failures = [
        Failure(kind: "status", reply: Reply(text: "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")),
        Failure(kind: "status", reply: Reply(text: "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")),
        Failure(kind: "reset", reply: Reply(text: "", after: .close)),
        Failure(kind: "reset", reply: Reply(text: "", after: .reset)),
        Failure(kind: "reset", reply: Reply(text: "HTTP/1.1 200 OK\r\nContent-Le", after: .close)),
        Failure(kind: "reset", reply: Reply(text: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789", after: .close)),
        Failure(
            kind: "reset", reply: Reply(text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", after: .close)),
        Failure(kind: "reset", reply: Reply(text: "HTTP/1.1 200 OK\r\n\r\nuntil", after: .reset)),
        Failure(kind: "badResponse", reply: Reply(text: "SSH-2.0-OpenSSH\r\n\r\n")),
        Failure(kind: "badResponse", reply: Reply(text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc")),
        Failure(kind: "badResponse", reply: Reply(text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab")),
        Failure(kind: "timeout", reply: Reply(text: "")),
        Failure(kind: "timeout", reply: Reply(text: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789")),
    ]

    @Test(arguments: failures) func `what is no complete good answer is a failure`(case: Failure) async throws {
        let (report, requests) = try await load(
            rate: 100, for: Milliseconds(100), against: { $0 == 5 ? `case`.reply : Reply() }
        ) { $0.timeout = .seconds(2) }
        #expect(report.total.sent == 10)
        #expect(report.total.failed == 1)
        #expect(report.total.failuresByKind == [`case`.kind: 1])
        #expect(report.failures.count == 1)
        #expect(report.failures.first?.contains("\"phase\":\"steady\"") == true)
        // Nothing is tried again in silence.
        #expect(requests.count == 10)
    }

    @Test func `nobody listening is a failure of each request`() async throws {
        let server = try ScriptedServer { _ in Reply() }
        let url = server.url
        await server.stop()
        var plan = try LoadPlan(url: url)
        plan.phases = [LoadPhase(name: "a", rate: 100, duration: Milliseconds(100))]
        // The stopped server's listener goes with the server.
        let report = try await run(plan, after: server)
        #expect(report.total.failuresByKind == ["refused": 10])
    }

    private func run(_ plan: LoadPlan, after server: consuming ScriptedServer) async throws -> LoadReport {
        _ = consume server
        return try await LoadRun(plan).run()
    }

    static let complete = [
        Reply(text: "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
        Reply(text: "HTTP/1.1 204 No Content\r\n\r\n"),
        Reply(text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        Reply(text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n"),
        Reply(text: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", after: .close),
        Reply(text: "HTTP/1.1 200 OK\r\n\r\nuntil the end", after: .close),
        Reply(text: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", after: .close),
    ]

    @Test(arguments: complete.indices) func `every complete answer counts`(index: Int) async throws {
        let (report, _) = try await load(rate: 100, for: Milliseconds(100), against: { _ in Self.complete[index] })
        #expect(report.total.answered == 10, "\(report.failures)")
    }

    @Test func `an idle connection that the server closed is replaced, which is no failure`() async throws {
        let (report, requests) = try await load(rate: 50, for: Milliseconds(200), against: { _ in Reply(after: .close) })
        #expect(report.total.answered == 10, "\(report.failures)")
        #expect(requests.count == 10)
        #expect(report.connectionsOpened == 10)
    }

    @Test func `requests with a body say its length`() async throws {
        let (report, requests) = try await load(rate: 50, for: Milliseconds(100), against: { _ in Reply() }) {
            $0.method = "POST"
            $0.body = Array("hello".utf8)
            $0.headers = [("Accept", "*/*")]
        }
        #expect(report.total.answered == 5)
        #expect(
            requests.allSatisfy {
                $0.hasPrefix("POST ") && $0.contains("\r\nContent-Length: 5\r\n") && $0.contains("Accept: */*")
            })
    }

    @Test func `closed mode keeps its connections busy and opens no more`() async throws {
        let (report, _) = try await load(for: Milliseconds(300), against: { _ in Reply() }) { $0.mode = .closed(connections: 4) }
        #expect(report.connectionsOpened == 4)
        #expect(report.total.failed == 0)
        #expect(report.total.answered > 20)
    }

    @Test func `closed mode replaces connections that fail`() async throws {
        let (report, _) = try await load(
            for: Milliseconds(300), against: { Reply(after: $0 % 10 == 9 ? .reset : .keep) }
        ) { $0.mode = .closed(connections: 3) }
        #expect(report.total.answered > 10)
        #expect(report.connectionsOpened > 3)
    }

    @Test func `the ledger has one line for every request`() async throws {
        struct Line: Decodable {
            var id: String
            var phase: String
            var intended_ms: Double
            var sent_ms: Double
            var latency_ms: Double
            var outcome: String
            var status: Int
            var version: String
        }
        let path = "/tmp/sk-ledger-\(UInt64.random(in: 0...UInt64.max)).jsonl"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (report, requests) = try await load(against: { _ in Reply() }) { $0.ledgerPath = path }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let lines = try text.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        #expect(lines.count == 100)
        #expect(lines.allSatisfy { $0.outcome == "answered" && $0.status == 200 && $0.version == "1" && $0.phase == "steady" })
        #expect(lines.allSatisfy { $0.sent_ms >= $0.intended_ms && $0.latency_ms >= 0 })
        let ids = Set(lines.map(\.id))
        #expect(ids == Set(requests.compactMap { $0.components(separatedBy: "X-Request-Id: ").last }))
        #expect(ids.allSatisfy { $0.hasPrefix(report.run + "-") })
    }

    @Test func `cancelling stops sending but every request sent gets its outcome`() async throws {
        let server = try ScriptedServer { _ in Reply(delay: Milliseconds(50)) }
        var plan = try LoadPlan(url: server.url)
        plan.phases = [LoadPhase(name: "long", rate: 200, duration: .seconds(60))]
        let (seconds, second) = AsyncStream.makeStream(of: LoadSecond.self)
        let task = Task { [plan] in try await LoadRun(plan, onSecond: { second.yield($0) }).run() }
        let first = await seconds.first { _ in true }
        task.cancel()
        let report = try await task.value
        await server.stop()
        #expect(first?.phase == "long")
        #expect((first?.answered ?? 0) > 0)
        #expect(report.seconds < 30)
        #expect(report.total.failed == 0)
        #expect(report.total.answered == report.total.sent)
    }

    @Test func `a report survives JSON`() async throws {
        let (report, _) = try await load(rate: 50, for: Milliseconds(100), against: { _ in Reply() })
        let read = try JSONDecoder().decode(LoadReport.self, from: JSONEncoder().encode(report))
        #expect(read.total == report.total)
        #expect(read.phases == report.phases)
    }

    @Test func `a plan without phases, and a ledger that cannot be written, are refused`() async throws {
        var plan = try LoadPlan(url: "http://127.0.0.1:1/")
        #expect(await refusal(of: plan) == LoadError("cannot run a load without phases"))
        plan.phases = [LoadPhase(name: "a", rate: 1, duration: Milliseconds(1))]
        plan.ledgerPath = "/no/such/directory/ledger"
        #expect(await refusal(of: plan)?.message.contains(plan.ledgerPath ?? "-") == true)
    }

    private func refusal(of plan: LoadPlan) async -> LoadError? {
        do {
            _ = try await LoadRun(plan).run()
            return nil
        } catch {
            return error
        }
    }
}
