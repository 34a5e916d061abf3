import FoundationEssentials
import GRDB
import Orchestration
import SidekickModel

/// How records read from rows. A column that does not read is a damaged database.
extension Row {
    func instant(_ column: String) -> Instant { Instant(nanoseconds: self[column]) }
    func instantIfAny(_ column: String) -> Instant? { (self[column] as Int64?).map { Instant(nanoseconds: $0) } }

    func json<Value: Decodable>(_ column: String) throws -> Value {
        let text: String = self[column]
        do {
            return try JSONDecoder().decode(Value.self, from: Data(text.utf8))
        } catch {
            throw StoreError(.corrupt, "column \(column) cannot be read as JSON", cause: "\(error)")
        }
    }

    func word<Value: RawRepresentable<String>>(_ column: String) throws -> Value {
        let text: String = self[column]
        guard let value = Value(rawValue: text) else {
            throw StoreError(.corrupt, "column \(column) holds ‘\(text)’, which is not one of its words")
        }
        return value
    }
}

/// JSON with sorted keys, so that equal values are equal texts.
func jsonText(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

extension ServiceRecord {
    init(row: Row) {
        self.init(name: row["name"], revision: row["revision"], createdAt: row.instant("created_at"))
        resourceVersion = row["resource_version"]
        stableRevision = row["stable_revision"]
        desiredOnline = row["desired_online"]
        desiredStandby = row["desired_standby"]
        manualOnline = row["manual_online"]
        deleting = row["deleting"]
    }
}

extension Revision {
    init(row: Row) throws {
        self.init(
            service: row["service"], number: row["number"], spec: try row.json("spec"), imageDigest: row["image_digest"],
            createdAt: row.instant("created_at"), cause: row["cause"])
    }
}

extension ReplicaRecord {
    init(row: Row) throws {
        let text: String = row["desired"]
        guard let desired = DesiredState(text: text) else {
            throw StoreError(.corrupt, "column desired holds ‘\(text)’, which is neither a rung nor ‘removed’")
        }
        self.init(
            id: ReplicaID(row["id"]), service: row["service"], revision: row["revision"], host: row["host"], desired: desired,
            generation: row["generation"], createdAt: row.instant("created_at"))
        changedAt = row.instant("changed_at")
    }
}

extension RolloutRecord {
    init(row: Row) throws {
        self.init(
            id: row["id"], service: row["service"], from: row["from_revision"], to: row["to_revision"],
            startedAt: row.instant("started_at"), reason: row["reason"])
        phase = try row.word("phase")
        failedStarts = row["failed_starts"]
        progressedAt = row.instant("progressed_at")
        finishedAt = row.instantIfAny("finished_at")
        if let step: Int = row["canary_step"] {
            canary = Canary(step: step, percent: row["canary_percent"] ?? 0, since: row.instantIfAny("canary_since"))
        }
    }
}

extension Decision {
    init(row: Row) throws {
        self.init(
            service: row["service"], at: row.instant("at"), onlineBefore: row["online_before"], onlineAfter: row["online_after"],
            standbyBefore: row["standby_before"], standbyAfter: row["standby_after"], reason: row["reason"],
            otherwise: row["otherwise"], inputs: try row.json("inputs"))
        id = row["id"]
    }
}

extension LoadRecord {
    init(row: Row) throws {
        self.init(
            at: row.instant("at"), seconds: row["seconds"], requests: row["requests"], completions: row["completions"],
            busySeconds: row["busy_seconds"], peakInflight: row["peak_inflight"])
    }
}

extension FleetEvent {
    init(row: Row) throws {
        self.init(
            at: row.instant("at"), kind: try row.word("kind"), service: row["service"], host: row["host"],
            replica: (row["replica"] as Int64?).map { ReplicaID($0) }, message: row["message"])
        id = row["id"]
    }
}

extension HostRecord {
    init(row: Row) throws {
        self.init(
            name: row["name"], labels: try row.json("labels"), cpu: MilliCPU(row["cpu_millis"]),
            memory: ByteCount(row["memory_bytes"]), joinedAt: row.instant("joined_at"))
        cordoned = row["cordoned"]
        draining = row["draining"]
    }
}
