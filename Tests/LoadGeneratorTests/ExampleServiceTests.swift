import FoundationEssentials
import Glibc
import LoadGenerator
import SidekickModel
import Testing

/// The example service of the demo, compiled and run for real: what the demo shows can be no better than what this promises.
@Suite(.serialized) struct ExampleServiceTests {
    private static let sources = (#filePath.components(separatedBy: "/Tests/").first ?? "") + "/deploy/examples/hello"

    /// A running service on a port of its own.
    private final class Service {
        let directory: String
        let port: Int
        private(set) var pid: pid_t = 0

        init(_ settings: [String: String]) throws {
            directory = "/tmp/sk-hello-\(UInt64.random(in: 0...UInt64.max))"
            port = Int.random(in: 20000..<32000)
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let program = "\(directory)/hello"
            let sources = ["hello.c", "request.c", "work.c"].map { name in "\(ExampleServiceTests.sources)/\(name)" }
            let compiler: [String] = ["/usr/bin/cc", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror", "-o", program]
            let compile = compiler + sources
            #expect(Self.wait(try Self.spawn(compile, [:])) == 0)
            pid = try Self.spawn([program], settings.merging(["PORT": "\(port)"]) { a, _ in a })
        }

        deinit {
            if pid > 0 {
                kill(pid, SIGKILL)
                _ = Self.wait(pid)
            }
            try? FileManager.default.removeItem(atPath: directory)
        }

        func signal(_ number: Int32) { kill(pid, number) }

        /// Its exit code, 256 plus the signal that ended it.
        func ended() -> Int32 {
            defer { pid = 0 }
            return Self.wait(pid)
        }

        private static func spawn(_ arguments: [String], _ environment: [String: String]) throws -> pid_t {
            var pid = pid_t()
            var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
            let pairs = ["PATH=/usr/bin:/bin"] + environment.map { "\($0.key)=\($0.value)" }
            var settings: [UnsafeMutablePointer<CChar>?] = pairs.map { strdup($0) } + [nil]
            defer { (words + settings).forEach { free($0) } }
            let result = posix_spawn(&pid, arguments[0], nil, nil, &words, &settings)
            guard result == 0 else { throw POSIXError(POSIXErrorCode(rawValue: result) ?? .EIO) }
            return pid
        }

        private static func wait(_ pid: pid_t) -> Int32 {
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            return status & 0x7F == 0 ? status >> 8 & 0xFF : 256 + status & 0x7F
        }
    }

    /// Sends single requests until one is answered as wanted.
    private func untilAnswered(_ port: Int, path: String = "/healthz", status: String = "200") async throws {
        for _ in 0..<200 {
            if try await load(port, path, rate: 1000, for: Milliseconds(1)).total.byStatus[status] == 1 { return }
            try await Task.sleep(nanoseconds: 10_000_000)
        }
        Issue.record("\(path) did not answer \(status) in time")
    }

    private func load(
        _ port: Int, _ path: String = "/", rate: Double, for duration: Milliseconds,
        _ change: (inout LoadPlan) -> Void = { _ in }
    ) async throws -> LoadReport {
        var plan = try LoadPlan(url: "http://127.0.0.1:\(port)\(path)")
        plan.phases = [LoadPhase(name: "a", rate: rate, duration: duration)]
        change(&plan)
        return try await LoadRun(plan).run()
    }

    @Test func `it serves as many at once as it says, the rest wait in turn`() async throws {
        let service = try Service(["VERSION": "7", "CONCURRENCY": "2", "SERVICE_MS": "50"])
        try await untilAnswered(service.port)
        // Six within a millisecond on two slots of 50 ms: two each after 50, 100 and 150 ms, less what the last ones came later.
        let report = try await load(service.port, rate: 6000, for: Milliseconds(1)) { $0.keepsRecords = true }
        #expect(report.total.byVersion == ["7": 6])
        let waits = report.records.map { $0.latency / 1_000_000 }.sorted()
        #expect(waits.first ?? 0 >= 50)
        #expect(waits.last ?? 0 >= 148)
        #expect(waits.dropFirst(2).allSatisfy { $0 >= 98 })
    }

    @Test func `on TERM it answers what it has, then exits 0`() async throws {
        let service = try Service(["SERVICE_MS": "20", "CONCURRENCY": "4"])
        try await untilAnswered(service.port)
        let port = service.port
        async let running = load(port, rate: 1, for: Milliseconds(600)) {
            $0.mode = .closed(connections: 16)
            $0.headers = [("Accept", "*/*")]
        }
        try await Task.sleep(nanoseconds: 300_000_000)
        service.signal(SIGTERM)
        let report = try await running
        #expect(service.ended() == 0)
        #expect(report.total.answered > 4)
        // Once it listens no more, new connections are refused; nothing accepted is lost.
        #expect(Set(report.total.failuresByKind.keys).isSubset(of: ["refused"]), "\(report.failures.prefix(3))")
    }

    @Test func `requests with bodies of either framing keep the connection in step`() async throws {
        let service = try Service(["SERVICE_MS": "0"])
        try await untilAnswered(service.port)
        let report = try await load(service.port, rate: 200, for: Milliseconds(200)) {
            $0.method = "POST"
            $0.body = [UInt8](repeating: 0x78, count: 100_000)
        }
        #expect(report.total.answered == 40, "\(report.failures.prefix(3))")
    }

    @Test(arguments: [("never-ready", "/healthz", "503"), ("500", "/", "500")])
    func `a broken version is broken in the way it says`(how: String, path: String, status: String) async throws {
        let service = try Service(["BROKEN": how])
        try await untilAnswered(service.port, path: path, status: status)
    }

    @Test func `a version that crashes at its start says so and exits 1`() async throws {
        let service = try Service(["BROKEN": "crash"])
        #expect(service.ended() == 1)
    }
}
