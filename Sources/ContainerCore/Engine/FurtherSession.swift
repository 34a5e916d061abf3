import Glibc
import LinuxShims
import Synchronization

/// A further process in a container, with streams of the caller's. It is hung up on when a terminal's last reference goes.
package final class FurtherSession: Sendable {
    /// The master of its terminal.
    package let terminal: StreamEnd?
    /// Where its input is written; taken once, so that closing it ends the input.
    private let input: Mutex<StreamEnd?>
    package let output: StreamEnd?
    package let error: StreamEnd?
    private let container: Container
    private let cookie: UInt32
    private let process: FurtherProcess
    private let threads: WaitingThreads

    /// On a thread that may wait.
    init(
        _ container: Container, _ arguments: [String], terminal wantsTerminal: Bool, seccomp: [UInt64], threads: WaitingThreads
    ) throws(ContainerError) {
        self.container = container
        self.threads = threads
        let process = try FurtherProcess()
        let (link, cookie) = try container.register(process, for: arguments[0])
        (self.process, self.cookie) = (process, cookie)
        do throws(ContainerError) {
            let plan = try LaunchPlan.compile(
                further: arguments, in: container.configuration, seccomp: seccomp, terminal: wantsTerminal)
            let file = try Descriptor(plan.withUnsafeBytes { sk_memory_file($0.baseAddress, $0.count) }, "keep the launch plan")
            if wantsTerminal {
                let (ours, theirs) = try Descriptor.messagePair()
                try link.send(SK_ASK_EXEC, cookie: cookie, descriptors: [file.number, theirs.number])
                terminal = try Self.master(ours, theirs, process, "run \(arguments[0]) in container \(container.id)")
                input = Mutex(nil)
                (output, error) = (nil, nil)
            } else {
                let (typed, told, complained) = (try Descriptor.pipe(), try Descriptor.pipe(), try Descriptor.pipe())
                try container.own([typed.reading, told.writing, complained.writing])
                try link.send(
                    SK_ASK_EXEC, cookie: cookie,
                    descriptors: [file.number, typed.reading.number, told.writing.number, complained.writing.number])
                terminal = nil
                input = Mutex(StreamEnd(typed.writing))
                (output, error) = (StreamEnd(told.reading), StreamEnd(complained.reading))
            }
        } catch {
            container.unregister(cookie)
            throw error
        }
    }

    /// Nil when the process ended before it had one, which its exit explains.
    private static func master(
        _ ours: Descriptor, _ theirs: consuming Descriptor, _ process: FurtherProcess, _ operation: String
    ) throws(ContainerError) -> StreamEnd? {
        let ready = sk_wait_readable(ours.number, process.ended.number, 10_000)
        var message = sk_message()
        var passed: Int32 = -1
        guard ready & 1 != 0, sk_message_receive(ours.number, &message, &passed, 0) == 1, passed >= 0 else {
            if ready != 0 { return nil }
            throw ContainerError(.timedOut, "cannot \(operation): it made no terminal within 10 s")
        }
        return StreamEnd(try Descriptor(passed, "take a terminal"))
    }

    /// Gives the input's end away: it is the caller's to close.
    package func takeInput() -> StreamEnd? { input.withLock { $0.take() } }

    package func resize(rows: UInt16, columns: UInt16) {
        if let terminal { sk_terminal_resize(terminal.number, rows, columns) }
    }

    /// Returns when it has ended.
    package func wait() async throws(ContainerError) -> ContainerExit {
        try await threads.run { [self] () throws(ContainerError) in
            while sk_wait_readable(process.ended.number, -1, -1) == 0 {}
            container.unregister(cookie)
            let (exit, failure) = process.result.withLock { $0 }
            guard var exit else {
                throw ContainerError(.guardGone, "container \(container.id) ended while a further process ran in it")
            }
            exit.failure = failure
            return exit
        }
    }

    package func kill() {
        let link = container.state.withLock { $0.link }
        try? link?.send(SK_ASK_EXEC_KILL, cookie: cookie)
    }
}

extension Container {
    /// Makes a process known whose end the watcher will tell.
    func register(_ process: FurtherProcess, for program: String) throws(ContainerError) -> (GuardLink, UInt32) {
        try state.withLock { state throws(ContainerError) in
            guard state.phase == .running, let link = state.link else {
                throw ContainerError(
                    .wrongState, "failed to run \(program) in container \(id): it must be running, and is \(state.phase)")
            }
            let cookie = state.nextCookie
            state.nextCookie &+= 1
            state.furtherProcesses[cookie] = process
            return (link, cookie)
        }
    }

    func unregister(_ cookie: UInt32) { state.withLock { _ = $0.furtherProcesses.removeValue(forKey: cookie) } }

    /// Gives pipes to the container's user, so that /dev/stdout and the like can be opened again inside.
    func own(_ ends: [Descriptor]) throws(ContainerError) {
        let first = state.withLock { $0.cradle?.firstID } ?? 0
        let user = configuration.user
        for end in ends where fchown(end.number, first + user.uid, first + user.gid) != 0 {
            throw ContainerError(.kernelRefused, "cannot give a pipe to container \(id)", cause: systemText(errno))
        }
    }
}
