import ControllerStore
import Glibc
import Orchestration
import SidekickModel
import Testing

/// A directory of its own for one test, gone when the test is.
final class ScratchDirectory {
    let path: String

    init() {
        var template = Array("/tmp/sidekick-store-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template)!)
    }

    deinit { _ = Shell.run("rm", "-rf", path) }
}

enum Shell {
    /// Runs a program from PATH and returns what it printed; nil when it failed.
    static func run(_ words: String...) -> String? {
        let line = words.map { "'" + $0.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'" }
        guard let pipe = popen(line.joined(separator: " ") + " 2>/dev/null", "r") else { return nil }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&buffer, 1, buffer.count, pipe)
            if count == 0 { break }
            text += buffer[..<count]
        }
        return pclose(pipe) == 0 ? String(decoding: text, as: UTF8.self) : nil
    }
}

/// Every implementation the conformance suite is run on.
enum StoreKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite

    var testDescription: String { rawValue }

    func open(_ directory: String, bounds: StoreBounds = StoreBounds()) async throws -> any FleetStore {
        switch self {
        case .sqlite: try await SQLiteStore(directory: directory, bounds: bounds)
        }
    }
}

extension Instant {
    static let start = Instant(nanoseconds: 1_700_000_000_000_000_000)
}

/// Writes that make a service with one revision.
func newService(_ name: String = "web", online: Int = 2) -> [FleetWrite] {
    var record = ServiceRecord(name: name, revision: 1, createdAt: .start)
    record.desiredOnline = online
    var spec = ServiceSpec(service: name, image: "\(name):1")
    spec.ports = ["http": 8080]
    spec.resources.memory = .mebibytes(64)
    return [
        .service(record, expecting: 0),
        .revision(
            Revision(service: name, number: 1, spec: spec, imageDigest: "sha256:1", createdAt: .start, cause: "apply")),
    ]
}

extension [FleetFact] {
    var replicas: [ReplicaRecord] { compactMap { if case .replica(let record) = $0 { record } else { nil } } }
    var rollouts: [RolloutRecord] { compactMap { if case .rollout(let record) = $0 { record } else { nil } } }
    var services: [ServiceRecord] { compactMap { if case .service(let record) = $0 { record } else { nil } } }
}
