import GRDB

/// How the tables came to be. A migration that has been released is never changed: what comes later is a migration of its own.
enum StoreMigrations {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("2026-11 first tables", migrate: firstTables)
        migrator.registerMigration("2026-11 recorded load", migrate: recordedLoad)
        migrator.registerMigration("2026-11 canary steps of rollouts", migrate: canarySteps)
        return migrator
    }

    /// One row for some ten seconds in which a service had requests.
    private static func recordedLoad(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE loads (
                    service TEXT NOT NULL REFERENCES services (name) ON DELETE CASCADE,
                    at INTEGER NOT NULL,
                    seconds REAL NOT NULL,
                    requests INTEGER NOT NULL,
                    completions INTEGER NOT NULL,
                    busy_seconds REAL NOT NULL,
                    peak_inflight INTEGER NOT NULL,
                    PRIMARY KEY (service, at)
                ) STRICT, WITHOUT ROWID;
                """)
    }

    private static func canarySteps(_ db: Database) throws {
        for column in ["canary_step", "canary_percent", "canary_since"] {
            try db.execute(sql: "ALTER TABLE rollouts ADD COLUMN \(column) INTEGER")
        }
    }

    /// Times are nanoseconds since 1970. `spec`, `labels` and `inputs` are JSON. Everything an operator may ask for is a column.
    private static func firstTables(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
                INSERT INTO settings VALUES ('epoch', 0);

                CREATE TABLE services (
                    name TEXT PRIMARY KEY,
                    resource_version INTEGER NOT NULL,
                    revision INTEGER NOT NULL,
                    stable_revision INTEGER,
                    desired_online INTEGER NOT NULL,
                    desired_standby INTEGER NOT NULL,
                    manual_online INTEGER,
                    deleting INTEGER NOT NULL,
                    created_at INTEGER NOT NULL
                ) STRICT;

                CREATE TABLE revisions (
                    service TEXT NOT NULL REFERENCES services (name) ON DELETE CASCADE,
                    number INTEGER NOT NULL,
                    image TEXT NOT NULL,
                    image_digest TEXT NOT NULL,
                    spec TEXT NOT NULL,
                    created_at INTEGER NOT NULL,
                    cause TEXT NOT NULL,
                    PRIMARY KEY (service, number)
                ) STRICT, WITHOUT ROWID;

                CREATE TABLE replicas (
                    id INTEGER PRIMARY KEY AUTOINCREMENT,
                    service TEXT NOT NULL REFERENCES services (name),
                    revision INTEGER NOT NULL,
                    host TEXT NOT NULL,
                    desired TEXT NOT NULL,
                    generation INTEGER NOT NULL,
                    created_at INTEGER NOT NULL,
                    changed_at INTEGER NOT NULL
                ) STRICT;
                CREATE INDEX replicas_by_service ON replicas (service);

                CREATE TABLE rollouts (
                    id INTEGER PRIMARY KEY AUTOINCREMENT,
                    service TEXT NOT NULL REFERENCES services (name) ON DELETE CASCADE,
                    from_revision INTEGER,
                    to_revision INTEGER NOT NULL,
                    phase TEXT NOT NULL,
                    reason TEXT NOT NULL,
                    failed_starts INTEGER NOT NULL,
                    started_at INTEGER NOT NULL,
                    progressed_at INTEGER NOT NULL,
                    finished_at INTEGER
                ) STRICT;
                CREATE INDEX rollouts_by_service ON rollouts (service, id);

                CREATE TABLE decisions (
                    id INTEGER PRIMARY KEY AUTOINCREMENT,
                    service TEXT NOT NULL,
                    at INTEGER NOT NULL,
                    online_before INTEGER NOT NULL,
                    online_after INTEGER NOT NULL,
                    standby_before INTEGER NOT NULL,
                    standby_after INTEGER NOT NULL,
                    reason TEXT NOT NULL,
                    otherwise TEXT NOT NULL,
                    inputs TEXT NOT NULL
                ) STRICT;
                CREATE INDEX decisions_by_service ON decisions (service, id);

                CREATE TABLE events (
                    id INTEGER PRIMARY KEY AUTOINCREMENT,
                    at INTEGER NOT NULL,
                    kind TEXT NOT NULL,
                    service TEXT,
                    host TEXT,
                    replica INTEGER,
                    message TEXT NOT NULL
                ) STRICT;

                CREATE TABLE hosts (
                    name TEXT PRIMARY KEY,
                    labels TEXT NOT NULL,
                    cpu_millis INTEGER NOT NULL,
                    memory_bytes INTEGER NOT NULL,
                    cordoned INTEGER NOT NULL,
                    draining INTEGER NOT NULL,
                    joined_at INTEGER NOT NULL
                ) STRICT;

                CREATE TABLE scaler_memory (
                    service TEXT PRIMARY KEY REFERENCES services (name) ON DELETE CASCADE,
                    memory TEXT NOT NULL
                ) STRICT;
                """)
    }
}
