import Glibc
import LinuxShims
import Synchronization

/// A descriptor of a container's streams, closed with the last reference.
package final class StreamEnd: Sendable {
    private let descriptor: Descriptor
    package var number: Int32 { descriptor.number }

    init(_ descriptor: Descriptor) { self.descriptor = descriptor }
}

extension ContainerEngine {
    /// Joins those who are told a container's output from now on and type its input: a SOCK_SEQPACKET socket on which packets come that
    /// hold a stream's number (1 or 2; a terminal has 1 only) and what was written to it, and on which bytes for the program go, at most
    /// 4,096 in a packet. Ending one's direction of it ends the program's input where that is no terminal. It ends with the container.
    ///
    /// Whoever takes nothing holds up the container's output for ten seconds and is then let go.
    package func attach(_ id: String) throws(ContainerError) -> StreamEnd {
        let link = try link(of: find(id), for: "attach to")
        let (ours, theirs) = try Descriptor.messagePair()
        try link.send(SK_ASK_ATTACH, descriptors: [theirs.number])
        return StreamEnd(ours)
    }

    /// Tells a container's terminal its size. Nothing happens where there is none.
    package func resize(_ id: String, rows: UInt16, columns: UInt16) throws(ContainerError) {
        let link = try link(of: find(id), for: "resize the terminal of")
        try link.send(SK_ASK_RESIZE, wide: UInt64(rows) << 16 | UInt64(columns))
    }

    package func hasTerminal(_ id: String) -> Bool { (try? find(id).configuration.terminal) == true }

    private func link(of container: Container, for operation: String) throws(ContainerError) -> GuardLink {
        let (phase, link) = container.state.withLock { state in
            state.isAttached = true
            return (state.phase, state.link)
        }
        guard phase != .exited, let link else {
            throw ContainerError(.wrongState, "failed to \(operation) container \(container.id): it has exited")
        }
        return link
    }

    /// Starts a further process in a running container with streams of the caller's.
    /// - Parameter terminal: whether it gets a terminal of its own; else it gets three pipes.
    package func begin(_ id: String, arguments: [String], terminal: Bool) async throws(ContainerError) -> FurtherSession {
        let container = try find(id)
        try checkFurther(id, arguments)
        return try await runThreads.run { [self] () throws(ContainerError) in
            try FurtherSession(
                container, arguments, terminal: terminal, seccomp: seccompProgram(container.configuration), threads: runThreads)
        }
    }

    func checkFurther(_ id: String, _ arguments: [String]) throws(ContainerError) {
        guard let program = arguments.first, !program.isEmpty, !arguments.contains(where: { $0.utf8.contains(0) }) else {
            throw ContainerError(.invalidConfiguration, "failed to run in container \(id): arguments must begin with a program")
        }
    }

    /// Process ids on the host of everything that runs in a container.
    package func processes(_ id: String) async throws(ContainerError) -> [Int32] {
        let group = try cgroup(of: find(id), for: "list the processes of")
        let cgroups = cgroups
        return try await threads.run { () throws(ContainerError) in try cgroups.processes(group) }
    }
}

extension Descriptor {
    static func messagePair() throws(ContainerError) -> (Descriptor, Descriptor) {
        var pair: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &pair) { sk_message_pair($0.baseAddress?.assumingMemoryBound(to: Int32.self)) }
        guard made == 0 else { throw ContainerError(.kernelRefused, "cannot make a socket pair", cause: systemText(-made)) }
        return (try Descriptor(pair.0, "make a socket pair"), try Descriptor(pair.1, "make a socket pair"))
    }

    static func pipe() throws(ContainerError) -> (reading: Descriptor, writing: Descriptor) {
        var ends: [Int32] = [-1, -1]
        guard sk_pipe(&ends) == 0 else {
            throw ContainerError(.kernelRefused, "cannot make a pipe", cause: systemText(errno))
        }
        return (try Descriptor(ends[0], "make a pipe"), try Descriptor(ends[1], "make a pipe"))
    }
}
