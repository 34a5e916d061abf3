import Foundation
import Gateway
import Glibc
import SidekickModel
import Testing

struct AccessLogTests {
    private static func temporary(_ name: String) -> String {
        "/tmp/sk-gw-log-\(getpid())-\(UInt32.random(in: 0...UInt32.max))-\(name)"
    }

    private static func text(_ path: String) -> String {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The lines of the file once there are `count`, each as JSON.
    private static func lines(_ path: String, _ count: Int) throws -> [[String: Any]] {
        for _ in 0..<100 {
            let lines = text(path).split(separator: "\n")
            if lines.count >= count {
                return try lines.map {
                    guard let line = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] else {
                        throw TestFailure("no object: \($0)")
                    }
                    return line
                }
            }
            usleep(50_000)
        }
        throw TestFailure("\(count) lines never came: \(text(path))")
    }

    @Test func `every request leaves one line of JSON that says what became of it`() async throws {
        let replica = try TestReplica(7) { _, connection in
            usleep(20_000)
            connection.send("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello")
            return true
        }
        let path = Self.temporary("json")
        defer { unlink(path) }
        try await TestGateway.with(
            [TestGateway.web([replica])], change: { $0.accessLog = AccessLogConfiguration(path: path) }
        ) { gateway in
            let client = try gateway.client()
            _ = try client.get(
                "/a?b=\"c\"", fields: "X-Request-Id: id-1\r\nUser-Agent: tester \\ \u{e9}\r\nReferer: http://x/\r\n")
            _ = try client.get("/2", host: "nobody")
            _ = try gateway.client().get("/3", fields: "Referer: \u{1}\r\n")
            let all = try Self.lines(path, 4)
            // The probe that waits for the routes is logged too.
            let lines = all.filter { ($0["host"] as? String)?.hasPrefix("probe-") != true }
            #expect(lines.count == 3)
            let first = try #require(lines.first { $0["path"] as? String == "/a?b=\"c\"" })
            #expect(first["method"] as? String == "GET")
            #expect(first["status"] as? Int == 201)
            #expect(first["bytes"] as? Int == 5)
            #expect(first["service"] as? String == "web")
            #expect(first["revision"] as? Int == 1)
            #expect(first["replica"] as? String == "r7")
            #expect(first["request_id"] as? String == "id-1")
            #expect(first["user_agent"] as? String == "tester \\ \u{e9}")
            #expect(first["referer"] as? String == "http://x/")
            #expect(first["client"] as? String == "127.0.0.1")
            #expect(first["host"] as? String == "a")
            #expect(first["protocol"] as? String == "HTTP/1.1")
            let upstream = try #require(first["upstream_ms"] as? Double)
            let total = try #require(first["total_ms"] as? Double)
            let hold = try #require(first["hold_ms"] as? Double)
            #expect(upstream >= 19 && total >= upstream && hold <= total)
            let time = try #require(first["time"] as? String)
            let parsed = try #require(
                try? Date(time, strategy: .iso8601.year().month().day().time(includingFractionalSeconds: true)))
            #expect(abs(parsed.timeIntervalSinceNow) < 30)
            let second = try #require(lines.first { $0["path"] as? String == "/2" })
            #expect(second["status"] as? Int == 404)
            #expect((second["request_id"] as? String)?.count == 32)
            #expect(second["service"] == nil && second["replica"] == nil)
            // A head that was refused says nothing that could be trusted.
            let third = try #require(lines.first { $0["status"] as? Int == 400 })
            #expect(third["path"] == nil)
        }
    }

    @Test func `the combined format is what log readers expect, with our own fields behind it`() async throws {
        let replica = try TestReplica(3)
        let path = Self.temporary("combined")
        defer { unlink(path) }
        try await TestGateway.with(
            [TestGateway.web([replica])], change: { $0.accessLog = AccessLogConfiguration(path: path, format: .combined) }
        ) { gateway in
            _ = try gateway.client().get("/x", fields: "User-Agent: q\"uote\r\nX-Request-Id: abc\r\n")
            let request = #""GET /x HTTP/1\.1" 200 \d+ "-" "q\\"uote" "abc" web 1 r3 \d+\.\d{3} \d+\.\d{3} \d+\.\d{3}\n"#
            let pattern = try Regex(#"127\.0\.0\.1 - - \[\d\d/[A-Z][a-z][a-z]/20\d\d:\d\d:\d\d:\d\d \+0000\] "# + request)
            var found = false
            for _ in 0..<100 where !found {
                usleep(50_000)
                found = Self.text(path).firstMatch(of: pattern) != nil
            }
            #expect(found, "\(Self.text(path))")
        }
    }

    @Test func `a rotated log goes on in a new file, and no line is lost`() async throws {
        let replica = try TestReplica()
        let path = Self.temporary("rotate")
        defer {
            unlink(path)
            unlink(path + ".1")
        }
        try await TestGateway.with(
            [TestGateway.web([replica])], change: { $0.accessLog = AccessLogConfiguration(path: path) }
        ) { gateway in
            for number in 0..<20 {
                if number == 10 {
                    _ = try Self.lines(path, 10)
                    rename(path, path + ".1")
                    // The writer looks once a second.
                    for _ in 0..<60 where access(path, F_OK) != 0 { usleep(50_000) }
                }
                _ = try gateway.client().get("/\(number)")
            }
            let new = try Self.lines(path, 10).compactMap { $0["path"] as? String }
            #expect((10..<20).allSatisfy { new.contains("/\($0)") })
            let old = try Self.lines(path + ".1", 10).compactMap { $0["path"] as? String }
            #expect((0..<10).allSatisfy { old.contains("/\($0)") })
        }
    }

    @Test func `a log that takes nothing holds up no request, and what is lost is counted`() async throws {
        let replica = try TestReplica()
        let directory = Self.temporary("stuck")
        #expect(mkdir(directory, 0o700) == 0)
        let path = directory + "/pipe"
        let admin = Self.temporary("admin.sock")
        #expect(mkfifo(path, 0o600) == 0)
        let reader = open(path, O_RDWR | O_CLOEXEC)
        // The gateway gave up waiting for its writer, which goes on when the reader leaves: with the directory gone it makes no new file.
        defer {
            unlink(path)
            rmdir(directory)
            unlink(admin)
            close(reader)
        }
        try await TestGateway.with(
            [TestGateway.web([replica])], threads: 1,
            change: {
                $0.admin = admin
                $0.accessLog = AccessLogConfiguration(path: path)
                $0.accessLog?.limit = 64 << 10
            }
        ) { gateway in
            let client = try gateway.client()
            let long = String(repeating: "x", count: 2000)
            var slowest = 0.0
            for _ in 0..<400 {
                let start = Date()
                #expect(try client.get("/\(long)").status == 200)
                slowest = max(slowest, -start.timeIntervalSinceNow)
            }
            print("access log stuck: slowest of 400 requests took \(slowest * 1000) ms")
            var dropped = 0
            for _ in 0..<60 where dropped == 0 {
                usleep(50_000)
                let text = try MetricsTests.get("/metrics", admin)
                dropped =
                    text.split(separator: "\n").first { $0.hasPrefix("sidekick_gateway_access_log_dropped_lines_total ") }
                    .flatMap { Int($0.split(separator: " ")[1]) } ?? 0
            }
            #expect(dropped > 0)
            #expect(try client.get().status == 200)
        }
    }
}
