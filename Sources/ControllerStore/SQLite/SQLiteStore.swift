import Dispatch
import GRDB
import Glibc
package import SidekickModel

/// How much history the store keeps.
package struct StoreBounds: Hashable, Sendable {
    package var decisionsPerService = 2000
    package var events: Int64 = 20_000
    /// How long a service's load is kept.
    package var loads = Milliseconds.seconds(8 * 86_400)
    /// Old rows are removed with every so manyth one.
    package var pruneEvery: Int64 = 64

    package init() {}
}

/// The store in one SQLite database, `state.db` in the state directory: write-ahead log, every commit synced to the disk before it is
/// acknowledged. `sqlite3` may read it at any time.
package final class SQLiteStore: FleetStore {
    package let epoch: Int64
    let pool: DatabasePool
    private let lock: StoreLock
    private let bounds: StoreBounds

    /// Opens the database, checks its integrity, brings its tables up to date and raises the epoch.
    /// - Parameter directory: absolute path; made when it does not exist, readable by its owner only.
    package init(directory: String, bounds: StoreBounds = StoreBounds()) async throws(StoreError) {
        let path = directory + "/state.db"
        self.bounds = bounds
        lock = try StoreLock(directory: directory)
        (pool, epoch) = try await Self.opening(path)
    }

    private static func opening(_ path: String) async throws(StoreError) -> (DatabasePool, Int64) {
        do {
            // Opening blocks: it replays the log and checks every page.
            return try await withCheckedThrowingContinuation { continuation in
                DispatchQueue(label: "sidekick-store-open").async { continuation.resume(with: Result { try open(path) }) }
            }
        } catch {
            throw translate(error, "opening \(path)")
        }
    }

    private static func open(_ path: String) throws -> (DatabasePool, Int64) {
        var configuration = Configuration()
        // SQLite gives its other files the mode of this one. Where it cannot be made, SQLite will say why.
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if file >= 0 { Glibc.close(file) }
        configuration.label = "sidekick-store"
        configuration.maximumReaderCount = 2
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
        let pool = try DatabasePool(path: path, configuration: configuration)
        let complaints = try pool.read { try String.fetchAll($0, sql: "PRAGMA quick_check(5)") }
        guard complaints == ["ok"] else {
            throw StoreError(
                .corrupt, "\(path) is damaged; stop the controller and restore a backup",
                cause: complaints.joined(separator: "; "))
        }
        let migrator = StoreMigrations.migrator
        guard try !pool.read(migrator.hasBeenSuperseded) else {
            throw StoreError(.tooNew, "\(path) was written by a newer version of sidekick; run that version")
        }
        try migrator.migrate(pool)
        let epoch = try pool.write { db in
            try db.execute(sql: "UPDATE settings SET value = value + 1 WHERE name = 'epoch'")
            return try Int64.fetchOne(db, sql: "SELECT value FROM settings WHERE name = 'epoch'")
        }
        guard let epoch else { throw StoreError(.corrupt, "\(path) has no epoch; restore a backup") }
        return (pool, epoch)
    }

    package func load() async throws(StoreError) -> StoredFleet {
        try await read("loading the fleet") { db in
            var fleet = StoredFleet()
            fleet.services = try Row.fetchAll(db, sql: "SELECT * FROM services ORDER BY name").map { ServiceRecord(row: $0) }
            fleet.revisions = try Row.fetchAll(db, sql: "SELECT * FROM revisions ORDER BY service, number").map(Revision.init)
            fleet.replicas = try Row.fetchAll(db, sql: "SELECT * FROM replicas ORDER BY id").map(ReplicaRecord.init)
            fleet.rollouts = try Row.fetchAll(
                db, sql: "SELECT * FROM rollouts WHERE id IN (SELECT max(id) FROM rollouts GROUP BY service) ORDER BY service"
            ).map(RolloutRecord.init)
            fleet.hosts = try Row.fetchAll(db, sql: "SELECT * FROM hosts ORDER BY name").map(HostRecord.init)
            fleet.decisions = try Row.fetchAll(
                db, sql: "SELECT * FROM decisions WHERE id IN (SELECT max(id) FROM decisions GROUP BY service) ORDER BY service"
            ).map(Decision.init)
            for row in try Row.fetchAll(db, sql: "SELECT * FROM scaler_memory") {
                fleet.scalerMemory[row["service"]] = row["memory"]
            }
            return fleet
        }
    }

    package func commit(_ writes: [FleetWrite], now: Instant) async throws(StoreError) -> [FleetFact] {
        let bounds = bounds
        do {
            return try await pool.write { db in
                var transaction = StoreTransaction(db: db, now: now, bounds: bounds)
                for write in writes { try transaction.perform(write) }
                return transaction.facts
            }
        } catch {
            throw Self.translate(error, "committing \(writes.count) changes")
        }
    }

    package func rollouts(of service: String) async throws(StoreError) -> [RolloutRecord] {
        try await read("reading rollouts of \(service)") { db in
            try Row.fetchAll(db, sql: "SELECT * FROM rollouts WHERE service = ? ORDER BY id DESC", arguments: [service])
                .map(RolloutRecord.init)
        }
    }

    package func revisions(of service: String) async throws(StoreError) -> [Revision] {
        try await read("reading revisions of \(service)") { db in
            try Row.fetchAll(db, sql: "SELECT * FROM revisions WHERE service = ? ORDER BY number DESC", arguments: [service])
                .map(Revision.init)
        }
    }

    package func decisions(of service: String, limit: Int, since: Int64?) async throws(StoreError) -> [Decision] {
        try await read("reading decisions of \(service)") { db in
            try Self.page(db, "decisions", "service = ?", [service], limit, since).map(Decision.init)
        }
    }

    package func loads(of service: String, limit: Int, since: Instant?) async throws(StoreError) -> [LoadRecord] {
        try await read("reading the load of \(service)") { db in
            guard let since else {
                return try Row.fetchAll(
                    db, sql: "SELECT * FROM loads WHERE service = ? ORDER BY at DESC LIMIT ?", arguments: [service, limit]
                ).reversed().map(LoadRecord.init)
            }
            return try Row.fetchAll(
                db, sql: "SELECT * FROM loads WHERE service = ? AND at > ? ORDER BY at LIMIT ?",
                arguments: [service, since.nanoseconds, limit]
            ).map(LoadRecord.init)
        }
    }

    package func events(limit: Int, since: Int64?) async throws(StoreError) -> [FleetEvent] {
        try await read("reading events") { db in
            try Self.page(db, "events", "1", [], limit, since).map(FleetEvent.init)
        }
    }

    package func close() async throws(StoreError) {
        do {
            // What is left is one file that can be copied.
            try await pool.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
            try pool.close()
        } catch {
            throw Self.translate(error, "closing the store")
        }
        lock.release()
    }

    private static func page(
        _ db: Database, _ table: String, _ condition: String, _ arguments: StatementArguments, _ limit: Int, _ since: Int64?
    ) throws -> [Row] {
        if let since {
            return try Row.fetchAll(
                db, sql: "SELECT * FROM \(table) WHERE \(condition) AND id > ? ORDER BY id LIMIT ?",
                arguments: arguments + [since, limit])
        }
        return try Row.fetchAll(
            db, sql: "SELECT * FROM \(table) WHERE \(condition) ORDER BY id DESC LIMIT ?", arguments: arguments + [limit]
        ).reversed()
    }

    private func read<Value: Sendable>(
        _ what: String, _ body: @Sendable @escaping (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        do {
            return try await pool.read(body)
        } catch {
            throw Self.translate(error, what)
        }
    }

    static func translate(_ error: any Error, _ operation: String) -> StoreError {
        if let error = error as? StoreError { return error }
        guard let error = error as? DatabaseError else {
            return StoreError(.inputOutput, "the store failed at \(operation)", cause: "\(error)")
        }
        let cause = "\(error.resultCode) \(error.message ?? "")"
        return switch error.resultCode {
        case .SQLITE_FULL: StoreError(.full, "\(operation): the disk is full; free some space", cause: cause)
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            StoreError(.readOnly, "\(operation): the database cannot be written; check its directory and mount", cause: cause)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            StoreError(.corrupt, "\(operation): the database is damaged; restore a backup", cause: cause)
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            StoreError(.inUse, "\(operation): another process keeps the database locked", cause: cause)
        default: StoreError(.inputOutput, "the store failed at \(operation)", cause: cause)
        }
    }
}
