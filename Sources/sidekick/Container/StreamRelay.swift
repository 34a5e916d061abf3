import ContainerCore
import Glibc
import LinuxShims
import Synchronization

/// Carries bytes between this process's standard streams and a container's, each direction on a thread of its own, so that neither waits
/// for the other.
struct StreamRelay: Sendable {
    enum Peer: Sendable {
        /// Attached to a container: packets that begin with the stream's number.
        case attachment(StreamEnd)
        case terminal(StreamEnd)
        case pipes(FurtherSession)
    }

    enum Outcome: Sendable { case ended, detached }

    let peer: Peer
    /// Whether what is typed here goes there.
    let takesInput: Bool
    /// Whether ^P ^Q detaches.
    let detaches: Bool

    /// Returns when the other side has ended or the operator detached.
    func run() async -> Outcome {
        let (outcomes, sink) = AsyncStream.makeStream(of: Outcome.self)
        let streams = streams
        let open = OpenStreams(streams.count)
        for (end, target) in streams {
            DedicatedThread.start {
                show(end, on: target)
                if open.closeOne() { sink.yield(.ended) }
            }
        }
        if takesInput {
            DedicatedThread.start { if type() { sink.yield(.detached) } }
        }
        for await outcome in outcomes { return outcome }
        return .ended
    }

    /// Where output comes from, and where it is shown; nil where packets say that.
    private var streams: [(StreamEnd, Int32?)] {
        switch peer {
        case .attachment(let end): [(end, nil)]
        case .terminal(let end): [(end, STDOUT_FILENO)]
        case .pipes(let session):
            [(session.output, STDOUT_FILENO), (session.error, STDERR_FILENO)].compactMap { end, target in
                end.map { ($0, target) }
            }
        }
    }

    private func show(_ end: StreamEnd, on target: Int32?) {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(end.number, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            // A terminal whose other side is closed says EIO.
            if count <= 0 { return }
            let text = target == nil ? bytes[1..<count] : bytes[0..<count]
            writeAll(Array(text), to: target ?? (bytes[0] == 2 ? STDERR_FILENO : STDOUT_FILENO))
        }
    }

    /// Whether the operator detached. What is typed after the other side has ended goes nowhere.
    private func type() -> Bool {
        var keys = DetachKeys()
        var bytes = [UInt8](repeating: 0, count: 4096)
        let target = inputEnd
        while let end = target {
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 {
                if case .attachment = peer { shutdown(end.number, Int32(SHUT_WR)) }
                // ^D as the terminal's line discipline wants it: there is no half-closing one.
                if case .terminal = peer { writeAll([4], to: end.number) }
                break
            }
            let typed = detaches ? keys.take(bytes[..<count]) : (bytes: Array(bytes[..<count]), detached: false)
            if !typed.bytes.isEmpty, !writeAll(typed.bytes, to: end.number) { break }
            if typed.detached { return true }
        }
        return false
    }

    /// A pipe's end is ours alone, so that it closes when the typing ends.
    private var inputEnd: StreamEnd? {
        switch peer {
        case .attachment(let end), .terminal(let end): end
        case .pipes(let session): session.takeInput()
        }
    }
}

/// Counts streams down to their last.
private final class OpenStreams: Sendable {
    private let count: Mutex<Int>

    init(_ count: Int) { self.count = Mutex(count) }

    func closeOne() -> Bool {
        count.withLock { count in
            count -= 1
            return count == 0
        }
    }
}

/// False when the other side takes no more.
@discardableResult
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    bytes.withUnsafeBytes { buffer in
        var rest = buffer[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno != EINTR { return false }
            if count > 0 { rest = rest.dropFirst(count) }
        }
        return true
    }
}

/// The operator's terminal without echo, line editing and signals by keys, until `restore`.
final class RawTerminal: Sendable {
    private let before: Mutex<termios?>

    /// Nil when standard input is no terminal.
    init?() {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        before = Mutex(settings)
        cfmakeraw(&settings)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
    }

    deinit { restore() }

    func restore() {
        if var settings = before.withLock({ $0.take() }) { tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) }
    }

    /// Rows and columns of the terminal that standard output is; nil when it is none.
    static func size() -> (rows: UInt16, columns: UInt16)? {
        var rows: UInt16 = 0
        var columns: UInt16 = 0
        return sk_terminal_size(STDOUT_FILENO, &rows, &columns) == 0 && rows > 0 ? (rows, columns) : nil
    }
}
