import Glibc

/// A lock between processes, and between tasks of one process, on a file made for it (flock). Held as long as the object lives; the kernel
/// lets go when the holder dies.
final class FileLock: Sendable {
    enum Kind { case shared, exclusive }

    private let file: Descriptor

    /// Waits until the lock is free: never on the cooperative pool.
    init(waiting path: String, _ kind: Kind, doing: @autoclosure () -> String) throws(ImageError) {
        let file = try Descriptor(path: path, O_RDWR | O_CREAT, mode: 0o600, doing: doing())
        guard retrying({ flock(file.number, kind == .shared ? LOCK_SH : LOCK_EX) }) == 0 else {
            throw .system(doing(), "flock \(path)")
        }
        self.file = file
    }

    /// Takes the lock exclusively when nobody holds it; nil otherwise.
    init?(trying path: String) {
        let opened = retrying { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
        guard opened >= 0 else { return nil }
        file = Descriptor(owning: opened)
        guard retrying({ flock(file.number, LOCK_EX | LOCK_NB) }) == 0 else { return nil }
    }

    /// Lets go now rather than when the last reference is gone.
    func release() { flock(file.number, LOCK_UN) }

    /// Runs `body` with the lock held.
    static func hold<Value>(
        _ path: String, _ kind: Kind, doing: @autoclosure () -> String, _ body: () throws(ImageError) -> Value
    ) throws(ImageError) -> Value {
        let lock = try FileLock(waiting: path, kind, doing: doing())
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    /// Whether somebody holds the lock at `path`; a file that is not there nobody can hold.
    static func isHeld(_ path: String) -> Bool {
        let opened = retrying { open(path, O_RDWR | O_CLOEXEC) }
        guard opened >= 0 else { return false }
        let file = Descriptor(owning: opened)
        return retrying({ flock(file.number, LOCK_EX | LOCK_NB) }) != 0
    }
}
