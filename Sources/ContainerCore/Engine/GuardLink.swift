import Glibc
import LinuxShims

/// The engine's end of the connection to one guard.
final class GuardLink: Sendable {
    let socket: Descriptor
    let guardPID: Int32

    init(socket: Descriptor, guardPID: Int32) {
        self.socket = socket
        self.guardPID = guardPID
    }

    enum Received {
        case message(sk_message, Descriptor?)
        /// The guard is gone.
        case end
        case nothing
    }

    /// - Parameter milliseconds: how long to wait; 0 only looks.
    func receive(within milliseconds: Int32 = 0) -> Received {
        var message = sk_message()
        var passed: Int32 = -1
        let got = sk_message_receive(socket.number, &message, &passed, milliseconds)
        let descriptor = passed >= 0 ? try? Descriptor(passed, "take a descriptor") : nil
        switch got {
        case 1: return .message(message, descriptor)
        case 0: return .end
        case -EAGAIN: return .nothing
        default: return .end
        }
    }

    func send(
        _ kind: Int, code: Int32 = 0, cookie: UInt32 = 0, flags: UInt32 = 0, wide: UInt64 = 0, text: [UInt8] = [],
        descriptors: [Int32] = []
    ) throws(ContainerError) {
        var message = sk_message()
        message.kind = UInt32(kind)
        message.version = SK_PLAN_VERSION
        message.code = code
        message.cookie = cookie
        message.flags = flags
        message.wide = wide
        withUnsafeMutableBytes(of: &message.text) { $0.copyBytes(from: text.prefix($0.count - 1)) }
        let sent = sk_message_send(socket.number, &message, descriptors, Int32(descriptors.count))
        guard sent == 0 else {
            throw ContainerError(.guardGone, "guard \(guardPID) does not answer", cause: systemText(-sent))
        }
    }

    /// The failure that the guard has told already and nobody has taken.
    func failure(_ operation: String) -> ContainerError? {
        while case .message(let message, _) = receive() {
            if Int(message.kind) == SK_TELL_FAILED { return message.failure(operation) }
        }
        return nil
    }

    /// Waits for a message of one of these kinds, letting others pass; a failure the guard tells is thrown.
    func await(
        _ kinds: [Int], within milliseconds: Int32, _ operation: @autoclosure () -> String
    ) throws(ContainerError) -> (message: sk_message, descriptor: Descriptor?) {
        while true {
            switch receive(within: milliseconds) {
            case .message(let message, let descriptor):
                if kinds.contains(Int(message.kind)) { return (message, descriptor) }
                if Int(message.kind) == SK_TELL_FAILED { throw message.failure(operation()) }
            case .end: throw ContainerError(.guardGone, "cannot \(operation()): its guard ended", cause: nil)
            case .nothing:
                throw ContainerError(.timedOut, "cannot \(operation()): its guard gave no answer for \(milliseconds) ms")
            }
        }
    }
}

extension sk_message {
    var words: String {
        withUnsafeBytes(of: text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// What a guard reports as failed: operation and object in its text, the error number in its code.
    var failureText: String { "\(words): \(systemText(code))" }

    func failure(_ operation: String) -> ContainerError {
        let missing = code == ENOENT && (words.hasPrefix("open layer") || words.hasPrefix("open mount source"))
        return ContainerError(missing ? .resourceMissing : .kernelRefused, "cannot \(operation)", cause: failureText)
    }

    /// The exit a guard tells of or has recorded.
    var exit: ContainerExit {
        let neverRan = flags & UInt32(SK_EXIT_NEVER_RAN) != 0
        return ContainerExit(
            code: code, signal: signal == 0 ? nil : signal, outOfMemory: flags & UInt32(SK_EXIT_OUT_OF_MEMORY) != 0,
            failure: neverRan ? "\(words): \(systemText(Int32(bitPattern: cookie)))" : nil)
    }
}
