import EventLoop
import Glibc
import Synchronization

/// Writes ledger lines on a thread of its own, so that a slow disk delays no request.
final class LedgerFile: Sendable {
    private let writer: LoopThread
    private let descriptor: Int32
    private let path: String
    /// The first write that failed; what follows it is not written.
    private let failure = Mutex<LoadError?>(nil)

    init(path: String) throws(LoadError) {
        self.path = path
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw LoadError("cannot write the ledger \(path): \(SystemError.text(errno))") }
        self.descriptor = descriptor
        do {
            writer = try LoopThread(name: "load-ledger")
        } catch {
            Glibc.close(descriptor)
            throw LoadError("\(error)")
        }
    }

    deinit { Glibc.close(descriptor) }

    /// Hands lines over; they are in the file when `finish` returns.
    func append(_ lines: [UInt8]) {
        guard !lines.isEmpty else { return }
        writer.loop.submit { [self] in write(lines) }
    }

    func finish() async throws(LoadError) {
        await writer.stop()
        if let failure = failure.withLock({ $0 }) { throw failure }
    }

    private func write(_ lines: [UInt8]) {
        guard failure.withLock({ $0 == nil }) else { return }
        lines.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    let text = SystemError.text(errno)
                    failure.withLock { $0 = LoadError("cannot write the ledger \(path): \(text)") }
                    return
                }
                rest = rest.dropFirst(count)
            }
        }
    }
}
