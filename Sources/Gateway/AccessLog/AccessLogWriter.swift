import EventLoop
import Glibc
import LinuxShims
import Logging
import SidekickModel
import Synchronization

/// Writes what the loops have formatted, on a thread of its own, so that a slow disk holds up no request.
///
/// The file is opened again when it no longer has its name, as after a rename by a log rotator, and when `reopen` says so.
final class AccessLogWriter: EventHandler, Sendable {
    /// Lines since the gateway started.
    struct Counts: Equatable {
        var written: UInt64
        var dropped: UInt64
    }

    /// How long `close` waits for what is not written yet.
    private static let patience = Milliseconds(1000)

    private struct State {
        var descriptor: Int32
        var failureLogged = false
    }

    let configuration: AccessLogConfiguration
    private let thread: LoopThread
    private let log: Logger
    /// Taken on the writer's thread only, after `init`.
    private let state: Mutex<State>
    private let waiting = Atomic<Int>(0)
    private let written = Atomic<UInt64>(0)
    private let dropped = Atomic<UInt64>(0)

    /// Opens the file; one that cannot be opened is the operator's mistake to know of at once.
    init(_ configuration: AccessLogConfiguration, log: Logger) throws(SystemError) {
        self.configuration = configuration
        self.log = log
        state = Mutex(State(descriptor: try Self.open(configuration.path)))
        thread = try LoopThread(name: "gateway-log")
        thread.loop.submit { [self] in
            // A reader of a pipe that left is told of by EPIPE, on this thread as elsewhere.
            sk_block_sigpipe()
            look()
        }
    }

    private static func open(_ path: String) throws(SystemError) -> Int32 {
        let descriptor = path == "-" ? dup(1) : Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw SystemError(operation: "open access log", object: path, number: errno) }
        return descriptor
    }

    var counts: Counts {
        Counts(written: written.load(ordering: .relaxed), dropped: dropped.load(ordering: .relaxed))
    }

    /// Takes whole lines from any thread. Those beyond the limit are dropped.
    func take(_ bytes: [UInt8], lines: UInt64) {
        guard waiting.load(ordering: .relaxed) + bytes.count <= configuration.limit else {
            dropped.wrappingAdd(lines, ordering: .relaxed)
            return
        }
        waiting.wrappingAdd(bytes.count, ordering: .relaxed)
        thread.loop.submit { [self] in
            write(bytes, lines)
            waiting.wrappingSubtract(bytes.count, ordering: .relaxed)
        }
    }

    /// Opens the file anew, from any thread.
    func reopen() { thread.loop.submit { [self] in openAnew() } }

    /// Ends when all is written, or after a second: a disk that hangs must not keep the gateway from stopping.
    func close() async {
        for _ in 0..<(Self.patience.count / 10) where waiting.load(ordering: .relaxed) > 0 {
            try? await Task.sleep(nanoseconds: 10_000_000)
        }
        let left = waiting.load(ordering: .relaxed)
        guard left == 0 else {
            log.warning("\(left) bytes of the access log are not written: \(configuration.path) takes nothing")
            return thread.loop.stop()
        }
        await thread.stop()
        state.withLock { _ = Glibc.close($0.descriptor) }
    }

    // MARK: On the writer's thread

    func ready(_ readiness: Readiness) {}
    func expired(_ tag: Int) { look() }

    /// Looks whether the file still has its name.
    private func look() {
        _ = thread.loop.schedule(at: thread.loop.now + .seconds(1), self)
        guard configuration.path != "-" else { return }
        let named = state.withLock { sk_is_file_at($0.descriptor, configuration.path) == 1 }
        if !named { openAnew() }
    }

    private func openAnew() {
        guard configuration.path != "-" else { return }
        do throws(SystemError) {
            let new = try Self.open(configuration.path)
            state.withLock { state in
                _ = Glibc.close(state.descriptor)
                state.descriptor = new
            }
        } catch {
            complain("\(error); going on with the old file")
        }
    }

    private func write(_ bytes: [UInt8], _ lines: UInt64) {
        let descriptor = state.withLock { $0.descriptor }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                dropped.wrappingAdd(lines, ordering: .relaxed)
                return complain(
                    "\(SystemError(operation: "write access log", object: configuration.path, number: errno)); lines are lost")
            }
            done += count
        }
        written.wrappingAdd(lines, ordering: .relaxed)
        state.withLock { $0.failureLogged = false }
    }

    private func complain(_ text: String) {
        let first = state.withLock { state in
            defer { state.failureLogged = true }
            return !state.failureLogged
        }
        if first { log.error("\(text)") }
    }
}
