import CArchive
import Glibc
import LinuxShims

/// Owns one open file descriptor and closes it at its end.
struct Descriptor: ~Copyable, Sendable {
    let number: Int32

    init(owning number: Int32) { self.number = number }

    deinit { close(number) }

    /// Opens `path`, always with close-on-exec.
    init(path: String, _ flags: Int32, mode: mode_t = 0, doing: @autoclosure () -> String) throws(ImageError) {
        try self.init(at: AT_FDCWD, path, flags, mode: mode, doing: doing())
    }

    /// Opens `path` below `directory`, always with close-on-exec.
    init(at directory: Int32, _ path: String, _ flags: Int32, mode: mode_t = 0, doing: @autoclosure () -> String)
        throws(ImageError)
    {
        let opened = retrying { openat(directory, path, flags | O_CLOEXEC, mode) }
        guard opened >= 0 else { throw .system(doing(), "open \(path)") }
        number = opened
    }

    /// Opens `name`, with its terminating zero, below `directory`.
    init(at directory: Int32, _ name: [CChar], _ flags: Int32, doing: @autoclosure () -> String) throws(ImageError) {
        let opened = retrying { openat(directory, name, flags | O_CLOEXEC) }
        guard opened >= 0 else { throw .system(doing(), "open") }
        number = opened
    }

    func status(doing: @autoclosure () -> String) throws(ImageError) -> stat {
        var found = stat()
        guard fstat(number, &found) == 0 else { throw .system(doing(), "fstat") }
        return found
    }

    /// Writes all of `bytes` at the current position.
    func write(_ bytes: UnsafeRawBufferPointer, doing: @autoclosure () -> String) throws(ImageError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = retrying { Glibc.write(number, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count) }
            guard written >= 0 else { throw .system(doing(), "write") }
            rest = rest.dropFirst(written)
        }
    }

    func write(_ bytes: [UInt8], doing: @autoclosure () -> String) throws(ImageError) {
        try bytes.withUnsafeBufferPointer { buffer throws(ImageError) in try write(UnsafeRawBufferPointer(buffer), doing: doing())
        }
    }

    func synchronize(doing: @autoclosure () -> String) throws(ImageError) {
        guard retrying({ fsync(number) }) == 0 else { throw .system(doing(), "fsync") }
    }
}

/// Repeats a call as long as a signal interrupts it.
func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

extension ImageError {
    /// What the failed call of this thread's errno means to whoever asked for `operation`.
    static func system(_ operation: String, _ call: String, number: Int32 = errno) -> ImageError {
        let cause = "\(call): \(String(cString: strerror(number)))"
        switch number {
        case EFBIG: return ImageError(.tooLarge, operation, cause: cause)
        case ENOSPC, EDQUOT:
            return ImageError(.noSpace, "\(operation): no space left; free some (`sidekick image rm`) and repeat", cause: cause)
        case ENOENT, ENOTDIR: return ImageError(.notFound, operation, cause: cause)
        default: return ImageError(.inputOutput, operation, cause: cause)
        }
    }
}
