import FoundationEssentials
import Glibc
import Logging
import Orchestration
import SidekickModel
import Testing

@testable import Agent

struct JournalTests {
    private static func temporary() throws -> String {
        let path = "/tmp/sidekick-journal-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private static func assignment(_ number: Int64, generation: Int64 = 1) -> Assignment {
        Assignment(
            replica: ReplicaID(number), service: "web", revision: 2, generation: generation, desired: .rung(.frozen),
            spec: ServiceSpec(service: "web", image: "web:1"), imageDigest: "sha256:1")
    }

    private static var records: [JournalRecord] {
        var memory = ReplicaMemory()
        memory.attempt = 3
        memory.wokenGeneration = 1
        let route = ServiceRoute(
            service: "web", generation: 4, ingress: [IngressRule(host: "*")], concurrency: nil, holdDeadline: .seconds(1),
            holdLimit: 2,
            maxOnline: 3, revision: 2)
        return [
            .epoch(7), .assignment(assignment(1)), .memory(ReplicaID(1), memory), .route(route), .assignment(assignment(2)),
            .assignment(assignment(1, generation: 2)), .forget([ReplicaID(2)]), .epoch(6),
        ]
    }

    @Test func `what was appended is there after opening again`() async throws {
        let directory = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (journal, empty) = try Journal.open(directory: directory, logger: Logger(label: "t"))
        #expect(empty == JournalState())
        for record in Self.records { journal.append(record) }
        await journal.close()
        let state = try JournalFile(directory: directory).state
        #expect(state.epoch == 7 && state.routes.keys.sorted() == ["web"] && state.replicas.count == 1)
        #expect(state.replicas[ReplicaID(1)]?.assignment.generation == 2 && state.replicas[ReplicaID(1)]?.memory.attempt == 3)
    }

    @Test func `cut off at any byte, it holds the records that were whole, and goes on from there`() throws {
        let directory = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let bytes = try Self.records.flatMap { try JournalFormat.encode($0) }
        var ends: [Int] = [0]
        for record in Self.records { ends.append((ends.last ?? 0) + (try JournalFormat.encode(record).count)) }
        for length in 0...bytes.count {
            _ = FileManager.default.createFile(atPath: "\(directory)/journal", contents: Data(bytes[..<length]))
            var file = try JournalFile(directory: directory)
            let whole = ends.lastIndex { $0 <= length } ?? 0
            var expected = JournalState()
            for record in Self.records.prefix(whole) { expected.apply(record) }
            #expect(file.state == expected, "cut at \(length)")
            guard length % 7 == 0 else { continue }
            try file.append([.epoch(99)])
            expected.apply(.epoch(99))
            #expect(try JournalFile(directory: directory).state == expected, "appended after a cut at \(length)")
        }
    }

    @Test func `a flipped bit ends what is believed`() throws {
        let bytes = try Self.records.prefix(3).flatMap { try JournalFormat.encode($0) }
        let first = try JournalFormat.encode(Self.records[0]).count
        for index in first..<bytes.count {
            var damaged = bytes
            damaged[index] ^= 0x10
            #expect(JournalFormat.decode(damaged).length < bytes.count, "byte \(index)")
        }
    }

    @Test func `what a full disk refused is written once there is room`() throws {
        let directory = try Self.temporary()
        defer {
            umount(directory)
            try? FileManager.default.removeItem(atPath: directory)
        }
        try #require(mount("tmpfs", directory, "tmpfs", 0, "size=64k") == 0)
        var file = try JournalFile(directory: directory)
        try file.append([.assignment(Self.assignment(1))])
        _ = FileManager.default.createFile(atPath: "\(directory)/full", contents: Data(count: 60 << 10))
        #expect(throws: AgentError.self) {
            for number in 2...200 as ClosedRange<Int64> { try file.append([.assignment(Self.assignment(number))]) }
        }
        let held = file.state
        #expect(try JournalFile(directory: directory).state.replicas.count == held.replicas.count - 1)
        try FileManager.default.removeItem(atPath: "\(directory)/full")
        try file.append([.epoch(3)])
        #expect(file.state.replicas == held.replicas)
        #expect(try JournalFile(directory: directory).state == file.state)
    }

    @Test func `it is written anew when it has outgrown its state`() throws {
        let directory = try Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var file = try JournalFile(directory: directory, smallest: 5000)
        for generation in 1...200 {
            try file.append([.assignment(Self.assignment(1, generation: Int64(generation)))])
            if file.isOvergrown { file = try file.compacted() }
        }
        try file.append([.assignment(Self.assignment(2))])
        let size = try #require(FileManager.default.contents(atPath: "\(directory)/journal")?.count)
        #expect(size < 10_000)
        let state = try JournalFile(directory: directory).state
        #expect(state.replicas[ReplicaID(1)]?.assignment.generation == 200 && state.replicas.count == 2)
    }
}
