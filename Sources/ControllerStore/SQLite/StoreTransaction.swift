import GRDB
import Orchestration
import SidekickModel

/// Carries the writes of one commit out, inside one transaction, and notes what is so afterwards.
struct StoreTransaction {
    let db: Database
    let now: Instant
    let bounds: StoreBounds
    private(set) var facts: [FleetFact] = []

    init(db: Database, now: Instant, bounds: StoreBounds) {
        self.db = db
        self.now = now
        self.bounds = bounds
    }

    mutating func perform(_ write: FleetWrite) throws {
        switch write {
        case .action(let action): try perform(action)
        case .service(let record, let expecting): try put(record, expecting: expecting)
        case .counts(let service, let online, let standby): try setCounts(service, online, standby)
        case .revision(let revision): try insert(revision)
        case .startRollout(let record): try start(record)
        case .retag(let service, let from, let to): try retag(service, from, to)
        case .decision(let decision): try insert(decision)
        case .host(let record): try put(record)
        case .removeHost(let name):
            try run("DELETE FROM hosts WHERE name = ?", [name])
            facts.append(.hostGone(name))
        case .scalerMemory(let service, let memory):
            try run(
                "INSERT INTO scaler_memory VALUES (?, ?) ON CONFLICT (service) DO UPDATE SET memory = excluded.memory",
                [service, memory])
        case .load(let service, let record): try insert(record, of: service)
        }
    }

    private mutating func perform(_ action: FleetAction) throws {
        switch action {
        case .create(let service, let revision, let host, let desired):
            try run(
                """
                INSERT INTO replicas (service, revision, host, desired, generation, created_at, changed_at)
                VALUES (?, ?, ?, ?, 1, ?, ?)
                """,
                [service, revision, host, desired.description, now.nanoseconds, now.nanoseconds])
            facts.append(.replica(try replica(db.lastInsertedRowID)))
        case .order(let id, let desired):
            try change(
                "UPDATE replicas SET desired = ?, generation = generation + 1, changed_at = ? WHERE id = ?",
                [desired.description, now.nanoseconds, id.number], what: "replica \(id)")
            facts.append(.replica(try replica(id.number)))
        case .forget(let id):
            guard let row = try Row.fetchOne(db, sql: "SELECT * FROM replicas WHERE id = ?", arguments: [id.number]) else {
                return
            }
            let record = try ReplicaRecord(row: row)
            try run("DELETE FROM replicas WHERE id = ?", [id.number])
            facts.append(.replicaGone(record))
        case .rollout(let record): try update(record)
        case .stable(let service, let revision):
            try change(
                "UPDATE services SET stable_revision = ? WHERE name = ?", [revision, service], what: "service \(service)")
            facts.append(.service(try storedService(service)))
        case .removeService(let name):
            try run("DELETE FROM decisions WHERE service = ?", [name])
            try change("DELETE FROM services WHERE name = ?", [name], what: "service \(name)")
            facts.append(.serviceGone(name))
        case .event(let event): try insert(event)
        }
    }
}

// MARK: Services

extension StoreTransaction {
    private mutating func put(_ record: ServiceRecord, expecting: Int64?) throws {
        let version =
            try Int64.fetchOne(db, sql: "SELECT resource_version FROM services WHERE name = ?", arguments: [record.name]) ?? 0
        if let expecting, expecting != version {
            let message =
                version == 0
                ? "service \(record.name) does not exist, so it is not at version \(expecting)"
                : "service \(record.name) is at version \(version), not \(expecting): read it again, then repeat the change"
            throw StoreError(.conflict, message)
        }
        try run(
            """
            INSERT INTO services VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET
                resource_version = excluded.resource_version, revision = excluded.revision,
                stable_revision = excluded.stable_revision, desired_online = excluded.desired_online,
                desired_standby = excluded.desired_standby, manual_online = excluded.manual_online, deleting = excluded.deleting
            """,
            [
                record.name, version + 1, record.revision, record.stableRevision, record.desiredOnline, record.desiredStandby,
                record.manualOnline, record.deleting, record.createdAt.nanoseconds,
            ])
        facts.append(.service(try storedService(record.name)))
    }

    private mutating func setCounts(_ service: String, _ online: Int, _ standby: Int) throws {
        try change(
            "UPDATE services SET desired_online = ?, desired_standby = ? WHERE name = ?", [online, standby, service],
            what: "service \(service)")
        facts.append(.service(try storedService(service)))
    }

    private mutating func insert(_ revision: Revision) throws {
        try run(
            "INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                revision.service, revision.number, revision.spec.image, revision.imageDigest, try jsonText(revision.spec),
                revision.createdAt.nanoseconds, revision.cause,
            ])
        facts.append(.revision(revision))
    }

    private func storedService(_ name: String) throws -> ServiceRecord {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM services WHERE name = ?", arguments: [name]) else {
            throw StoreError(.notFound, "service \(name) is not in the store")
        }
        return ServiceRecord(row: row)
    }
}

// MARK: Replicas and rollouts

extension StoreTransaction {
    private func replica(_ id: Int64) throws -> ReplicaRecord {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM replicas WHERE id = ?", arguments: [id]) else {
            throw StoreError(.notFound, "replica r\(id) is not in the store")
        }
        return try ReplicaRecord(row: row)
    }

    private mutating func retag(_ service: String, _ from: [Int], _ to: Int) throws {
        for revision in from where revision != to {
            let ids = try Int64.fetchAll(
                db, sql: "SELECT id FROM replicas WHERE service = ? AND revision = ? ORDER BY id", arguments: [service, revision])
            for id in ids {
                try run("UPDATE replicas SET revision = ?, generation = generation + 1 WHERE id = ?", [to, id])
                facts.append(.replica(try replica(id)))
            }
        }
    }

    private mutating func start(_ record: RolloutRecord) throws {
        let running = try Row.fetchAll(
            db, sql: "SELECT * FROM rollouts WHERE service = ? AND finished_at IS NULL ORDER BY id", arguments: [record.service])
        for row in running {
            var old = try RolloutRecord(row: row)
            old.phase = .superseded
            old.reason = "a newer rollout, to revision \(record.to), took over"
            old.finishedAt = now
            try update(old)
        }
        try run(
            """
            INSERT INTO rollouts
                (service, from_revision, to_revision, phase, reason, failed_starts, started_at, progressed_at, finished_at,
                 canary_step, canary_percent, canary_since)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                record.service, record.from, record.to, record.phase.rawValue, record.reason, record.failedStarts,
                record.startedAt.nanoseconds, record.progressedAt.nanoseconds, record.finishedAt?.nanoseconds,
                record.canary?.step, record.canary?.percent, record.canary?.since?.nanoseconds,
            ])
        var stored = record
        stored.id = db.lastInsertedRowID
        facts.append(.rollout(stored))
    }

    private mutating func update(_ record: RolloutRecord) throws {
        try change(
            """
            UPDATE rollouts SET phase = ?, reason = ?, failed_starts = ?, started_at = ?, progressed_at = ?, finished_at = ?,
                canary_step = ?, canary_percent = ?, canary_since = ?
            WHERE id = ?
            """,
            [
                record.phase.rawValue, record.reason, record.failedStarts, record.startedAt.nanoseconds,
                record.progressedAt.nanoseconds, record.finishedAt?.nanoseconds, record.canary?.step,
                record.canary?.percent, record.canary?.since?.nanoseconds, record.id,
            ], what: "rollout \(record.id)")
        facts.append(.rollout(record))
    }
}

// MARK: History and hosts

extension StoreTransaction {
    private mutating func insert(_ decision: Decision) throws {
        try run(
            """
            INSERT INTO decisions
                (service, at, online_before, online_after, standby_before, standby_after, reason, otherwise, inputs)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                decision.service, decision.at.nanoseconds, decision.onlineBefore, decision.onlineAfter, decision.standbyBefore,
                decision.standbyAfter, decision.reason, decision.otherwise, try jsonText(decision.inputs),
            ])
        var stored = decision
        stored.id = db.lastInsertedRowID
        facts.append(.decision(stored))
        guard stored.id % bounds.pruneEvery == 0 else { return }
        try run(
            """
            DELETE FROM decisions WHERE service = ?1 AND id <=
                (SELECT id FROM decisions WHERE service = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
            """,
            [decision.service, bounds.decisionsPerService])
    }

    private func insert(_ record: LoadRecord, of service: String) throws {
        try run(
            "INSERT OR REPLACE INTO loads VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                service, record.at.nanoseconds, record.seconds, record.requests, record.completions, record.busySeconds,
                record.peakInflight,
            ])
        try run("DELETE FROM loads WHERE service = ? AND at < ?", [service, (record.at - bounds.loads).nanoseconds])
    }

    private mutating func insert(_ event: FleetEvent) throws {
        try run(
            "INSERT INTO events (at, kind, service, host, replica, message) VALUES (?, ?, ?, ?, ?, ?)",
            [event.at.nanoseconds, event.kind.rawValue, event.service, event.host, event.replica?.number, event.message])
        var stored = event
        stored.id = db.lastInsertedRowID
        facts.append(.event(stored))
        guard stored.id % bounds.pruneEvery == 0 else { return }
        try run("DELETE FROM events WHERE id <= ?", [stored.id - bounds.events])
    }

    private mutating func put(_ record: HostRecord) throws {
        try run(
            """
            INSERT INTO hosts VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET
                labels = excluded.labels, cpu_millis = excluded.cpu_millis, memory_bytes = excluded.memory_bytes,
                cordoned = excluded.cordoned, draining = excluded.draining
            """,
            [
                record.name, try jsonText(record.labels), record.cpu.count, record.memory.bytes, record.cordoned, record.draining,
                record.joinedAt.nanoseconds,
            ])
        facts.append(.host(record))
    }
}

// MARK: SQL

extension StoreTransaction {
    private func run(_ sql: String, _ arguments: StatementArguments) throws {
        try db.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// As `run`, for a statement that has to find its row.
    private func change(_ sql: String, _ arguments: StatementArguments, what: String) throws {
        try run(sql, arguments)
        guard db.changesCount > 0 else { throw StoreError(.notFound, "\(what) is not in the store") }
    }
}
