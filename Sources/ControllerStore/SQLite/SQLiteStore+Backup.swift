import Dispatch
import GRDB
import Glibc

extension SQLiteStore {
    /// How far a restored database leaves the numbers behind that the lost one may have handed out: epochs of starts, ids of replicas.
    private static let restoreGap: Int64 = 1 << 20

    /// Puts a backup in the place of the database in `directory`. The controller must not run.
    ///
    /// What the database handed out after the backup was made is skipped, so that agents take the restored controller for a newer one and
    /// no replica's number is used twice. An older database in its place is kept beside it as `state.db.before-restore`.
    package static func restore(_ backup: String, into directory: String) async throws(StoreError) {
        let lock = try StoreLock(directory: directory)
        defer { lock.release() }
        do {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                DispatchQueue(label: "sidekick-store-restore").async {
                    continuation.resume(with: Result { try replace(directory + "/state.db", by: backup) })
                }
            }
        } catch {
            throw translate(error, "restoring \(backup)")
        }
    }

    private static func replace(_ path: String, by backup: String) throws {
        guard access(backup, R_OK) == 0 else {
            throw StoreError(.notFound, "restoring \(backup): \(String(cString: strerror(errno)))")
        }
        let new = path + ".restored"
        unlink(new)
        let source = try DatabaseQueue(path: backup, configuration: readOnly)
        let complaints = try source.read { try String.fetchAll($0, sql: "PRAGMA integrity_check(5)") }
        guard complaints == ["ok"] else {
            throw StoreError(.corrupt, "\(backup) is damaged; restore another backup", cause: complaints.joined(separator: "; "))
        }
        guard try source.read(StoreMigrations.migrator.appliedIdentifiers).isEmpty == false else {
            throw StoreError(.corrupt, "\(backup) is no backup of a controller")
        }
        let copy = try DatabaseQueue(path: new)
        try source.backup(to: copy)
        try copy.write { db in
            try db.execute(sql: "UPDATE settings SET value = value + ? WHERE name = 'epoch'", arguments: [restoreGap])
            // SQLite makes this row with the table's first one.
            let last = try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'replicas'") ?? 0
            try db.execute(sql: "DELETE FROM sqlite_sequence WHERE name = 'replicas'")
            try db.execute(
                sql: "INSERT INTO sqlite_sequence (name, seq) VALUES ('replicas', ?)", arguments: [last + restoreGap])
        }
        try copy.close()
        try source.close()
        try sync(new)
        for suffix in ["-wal", "-shm"] { rename(path + suffix, path + ".before-restore" + suffix) }
        rename(path, path + ".before-restore")
        guard rename(new, path) == 0 else {
            throw StoreError(.inputOutput, "restoring \(backup): renaming to \(path)", cause: String(cString: strerror(errno)))
        }
    }

    private static var readOnly: Configuration {
        var configuration = Configuration()
        configuration.readonly = true
        return configuration
    }

    package func backup(to path: String) async throws(StoreError) -> Int64 {
        guard access(path, F_OK) != 0 else { throw StoreError(.conflict, "backup: \(path) is there already; name another file") }
        do {
            // Readable by its owner only, like the database.
            let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard file >= 0 else {
                throw StoreError(.readOnly, "backup: making \(path)", cause: String(cString: strerror(errno)))
            }
            Glibc.close(file)
            try await copy(to: path)
            var status = stat()
            guard stat(path, &status) == 0 else {
                throw StoreError(.inputOutput, "backup: reading \(path)", cause: String(cString: strerror(errno)))
            }
            return Int64(status.st_size)
        } catch {
            unlink(path)
            throw Self.translate(error, "backup to \(path)")
        }
    }

    private static func sync(_ path: String) throws {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0, fsync(file) == 0 else {
            let code = errno
            if file >= 0 { Glibc.close(file) }
            throw StoreError(code == ENOSPC ? .full : .inputOutput, "writing \(path)", cause: String(cString: strerror(code)))
        }
        Glibc.close(file)
    }

    private func copy(to path: String) async throws {
        try await pool.writeWithoutTransaction { db in try db.execute(sql: "VACUUM INTO ?", arguments: [path]) }
        try Self.sync(path)
    }
}
