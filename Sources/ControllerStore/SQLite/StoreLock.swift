import Glibc
import Synchronization

/// Keeps a second controller off the state directory. The kernel releases it however the process ends.
final class StoreLock: Sendable {
    /// -1 once released.
    private let descriptor: Mutex<Int32>

    /// Makes the directory when needed and locks `lock` in it.
    init(directory: String) throws(StoreError) {
        if mkdir(directory, 0o700) != 0, errno != EEXIST { throw Self.failure("making the directory \(directory)") }
        let path = directory + "/lock"
        let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw Self.failure("opening \(path)") }
        guard flock(fd, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            Glibc.close(fd)
            throw code == EWOULDBLOCK
                ? StoreError(.inUse, "another controller runs on \(directory); stop it first or name another directory")
                : Self.failure("locking \(path)", code)
        }
        descriptor = Mutex(fd)
    }

    func release() {
        descriptor.withLock { fd in
            guard fd >= 0 else { return }
            // A child between fork and exec may still hold the descriptor; the lock goes all the same.
            flock(fd, LOCK_UN)
            Glibc.close(fd)
            fd = -1
        }
    }

    deinit { release() }

    private static func failure(_ operation: String, _ code: Int32 = errno) -> StoreError {
        let why = String(cString: strerror(code))
        return switch code {
        case ENOSPC, EDQUOT: StoreError(.full, "\(operation): the disk is full; free some space", cause: why)
        case EROFS, EACCES, EPERM: StoreError(.readOnly, "\(operation): it cannot be written", cause: why)
        default: StoreError(.inputOutput, "the store failed at \(operation)", cause: why)
        }
    }
}
