import FoundationEssentials
import Testing

@testable import Agent

struct LogReaderTests {
    private static func temporary() throws -> String {
        let path = "/tmp/sidekick-log-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private static func line(_ text: String, flag: String = "F") -> String { "2026-11-24T00:00:00.0Z stdout \(flag) \(text)\n" }

    private static func write(_ text: String, _ path: String) {
        _ = FileManager.default.createFile(atPath: path, contents: Data(text.utf8))
    }

    private actor Text {
        private(set) var value = ""
        func add(_ bytes: [UInt8]) { value += String(decoding: bytes, as: UTF8.self) }
    }

    private static func read(_ path: String, tail: Int) async throws -> String {
        let text = Text()
        try await LogReader.read(path: path, tail: tail, follow: false) { await text.add($0) }
        return await text.value
    }

    @Test(arguments: [
        (0, ""), (1, "five\n"), (2, "four\nfive\n"), (3, "three\nfour\nfive\n"), (9, "one\ntwo\nthree\nfour\nfive\n"),
    ])
    func `the last lines are read over rotated files`(tail: Int, expected: String) async throws {
        let directory = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        Self.write(Self.line("one"), "\(directory)/log.2")
        Self.write(Self.line("two") + Self.line("three"), "\(directory)/log.1")
        Self.write(Self.line("four") + Self.line("five"), "\(directory)/log")
        #expect(try await Self.read("\(directory)/log", tail: tail) == expected)
        #expect(try await LogReader.lastLine(path: "\(directory)/log") == "five")
    }

    @Test func `pieces of a line are put together again`() async throws {
        let directory = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let long = String(repeating: "x", count: 200_000)
        Self.write(Self.line(long, flag: "P") + Self.line("end") + Self.line(""), "\(directory)/log")
        #expect(try await Self.read("\(directory)/log", tail: 100) == long + "end\n\n")
    }

    @Test func `following goes on over a rotation and ends when the log is gone`() async throws {
        let directory = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        Self.write(Self.line("one"), "\(directory)/log")
        let pieces = Inbox<String>()
        let reading = Task {
            try await LogReader.read(path: "\(directory)/log", tail: 10, follow: true) {
                await pieces.add(String(decoding: $0, as: UTF8.self))
            }
        }
        _ = try await pieces.next("the first") { $0 == "one\n" }
        try FileManager.default.moveItem(atPath: "\(directory)/log", toPath: "\(directory)/log.1")
        Self.write(Self.line("two"), "\(directory)/log")
        _ = try await pieces.next("the second") { $0 == "two\n" }
        try FileManager.default.removeItem(atPath: "\(directory)/log")
        try await reading.value
    }
}
