import Glibc
import LinuxShims
import Synchronization

/// Keeps one daemon running as a child process until told to stop.
final class SupervisedDaemon: Sendable {
    enum Event: Sendable {
        case ready
        /// It refused to run, or cannot be started: the reason is on its standard error.
        case gaveUp(String)
        case stopped
    }

    private struct State {
        var pid: pid_t?
        var stopping = false
        var ended = true
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    let name: String
    private let program: String
    private let arguments: [String]
    private let state = Mutex(State())
    private let report: @Sendable (Event) -> Void

    init(name: String, program: String, arguments: [String], report: @escaping @Sendable (Event) -> Void) {
        self.name = name
        self.program = program
        self.arguments = arguments
        self.report = report
    }

    /// One thread starts every incarnation, because the children ask to die with the thread that started them.
    func start() {
        state.withLock { $0.ended = false }
        DedicatedThread.start {
            self.superviseUntilStopped()
            let waiters = self.state.withLock { state in
                state.ended = true
                defer { state.waiters = [] }
                return state.waiters
            }
            waiters.forEach { $0.resume() }
        }
    }

    /// Stops it and returns once it is gone.
    func stopAndWait() async {
        stop()
        await withCheckedContinuation { continuation in
            let ended = state.withLock {
                if !$0.ended { $0.waiters.append(continuation) }
                return $0.ended
            }
            if ended { continuation.resume() }
        }
    }

    /// Sends `signal` and starts no further incarnation.
    func stop(_ signal: Int32 = SIGTERM) {
        state.withLock {
            $0.stopping = true
            if let pid = $0.pid { kill(pid, signal) }
        }
    }

    private func superviseUntilStopped() {
        var policy = RestartPolicy()
        while true {
            let began = ContinuousClock.now
            let code: Int32
            do {
                code = try runOnce(&policy)
            } catch let failure as CommandFailure {
                return report(.gaveUp(failure.message))
            } catch {
                return report(.gaveUp("\(error)"))
            }
            if state.withLock({ $0.stopping }) { return report(.stopped) }
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            switch policy.ended(code: code, afterSeconds: seconds) {
            case .giveUp: return report(.gaveUp("\(name) refused to start (exit code \(code)); its message is above"))
            case .restart(let delay):
                StandardError.write(
                    "sidekick standalone: \(name) ended with \(code), starting it again\(delay > 0 ? " in \(delay) ms" : "")\n")
                usleep(UInt32(delay) * 1000)
                if state.withLock({ $0.stopping }) { return report(.stopped) }
            }
        }
    }

    /// Starts an incarnation, waits until it is ready or gone, then until it ends.
    private func runOnce(_ policy: inout RestartPolicy) throws -> Int32 {
        var pipe: [Int32] = [-1, -1]
        guard sk_pipe(&pipe) == 0 else {
            throw CommandFailure(.failed, "starting \(name): pipe: \(String(cString: strerror(errno)))")
        }
        let child: ChildProcess
        do {
            defer { close(pipe[1]) }
            child = try ChildProcess(program: program, arguments: arguments, readyDescriptor: pipe[1])
        } catch {
            close(pipe[0])
            throw error
        }
        let stopAtOnce = state.withLock {
            $0.pid = child.pid
            return $0.stopping
        }
        if stopAtOnce { kill(child.pid, SIGTERM) }
        var byte: UInt8 = 0
        if read(pipe[0], &byte, 1) == 1 {
            policy.ready()
            report(.ready)
        }
        close(pipe[0])
        child.wait()
        state.withLock { $0.pid = nil }
        return child.reap()
    }
}
