import AgentProtocol
import EventLoop
import Glibc
import HTTPFraming
import Logging
import SidekickModel

/// The connection to the agent of this host. It comes back by itself: the gateway serves without it.
final class AgentLink: EventHandler {
    /// Pauses between attempts: from the first to the last, doubling.
    private static let pauses = (first: Milliseconds(20), last: Milliseconds(1000))
    /// An agent that takes nothing is cut off beyond this many waiting bytes.
    private static let outputLimit = 4 << 20

    private let loop: EventLoop
    private let path: String
    private let version: String
    private unowned let control: Control
    private let log: Logger
    private var socket: Socket?
    private var registration: Registration?
    private var pause = pauses.first
    private var output = ByteQueue()
    private var decoder = FrameDecoder()
    private var isStopped = false
    private var failureLogged = false
    private(set) var isUp = false

    init(loop: EventLoop, path: String, version: String, control: Control, log: Logger) {
        self.loop = loop
        self.path = path
        self.version = version
        self.control = control
        self.log = log
    }

    func start() { connect() }

    func stop() {
        isStopped = true
        drop()
    }

    /// Sends a message, or drops it when the agent is away: everything sent here is sent again or measured again.
    func send(_ message: GatewayMessage) {
        guard isUp else { return }
        output.append(message.frame())
        flush()
        if output.count > Self.outputLimit { lost("the agent reads nothing") }
    }

    func expired(_ tag: Int) { if !isStopped { connect() } }

    func ready(_ readiness: Readiness) {
        guard let registration, socket != nil else { return }
        if !isUp {
            guard readiness.canWrite, takeError() == 0 else { return lost("connection refused") }
            up()
        }
        if readiness.canWrite { flush() }
        if readiness.canRead { read() }
        _ = registration
    }

    private func connect() {
        guard let address = SocketAddress(text: path) else { return log.error("\(path) is no socket path of at most 107 bytes") }
        do throws(SystemError) {
            let new = try Socket.connecting(to: address)
            registration = try loop.register(new, self)
            socket = consume new
        } catch {
            lost("\(error)")
        }
    }

    private func up() {
        isUp = true
        failureLogged = false
        pause = Self.pauses.first
        decoder = FrameDecoder()
        log.notice("connected to the agent at \(path)")
        send(.hello(version: version, pid: Int(getpid())))
        control.linkUp()
    }

    private func takeError() -> Int32 { socket?.takeError() ?? -EBADF }

    private func flush() {
        while !output.isEmpty, isUp {
            let count = socket?.send(output.bytes) ?? -1
            if count == -Int(EAGAIN) { return }
            if count <= 0 { return lost("broken connection") }
            output.consume(count)
        }
    }

    private func read() {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            while isUp {
                let count = socket?.receive(into: buffer) ?? 0
                if count == -Int(EAGAIN) { return }
                guard count > 0 else { return lost("the agent closed the connection") }
                decoder.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                takeFrames()
            }
        }
    }

    private func takeFrames() {
        do throws(ProtocolError) {
            while isUp, let frame = try decoder.next() {
                do throws(ProtocolError) {
                    control.apply(try GatewayOrder(frame: frame))
                } catch  where error.isSkippable {
                    log.warning("\(error)")
                }
            }
        } catch {
            lost("\(error)")
        }
    }

    private func lost(_ reason: String) {
        if isUp || !failureLogged {
            log.warning("no connection to the agent at \(path): \(reason); serving the last known routes")
        }
        failureLogged = true
        drop()
        guard !isStopped else { return }
        _ = loop.schedule(at: EventLoop.monotonicNow() + pause, self)
        pause = Milliseconds(min(pause.count * 2, Self.pauses.last.count))
    }

    private func drop() {
        isUp = false
        if let registration { loop.forget(registration) }
        registration = nil
        socket = nil
        output.clear()
    }
}
