import ContainerCore
import Glibc
import LinuxShims

/// A container's process while `sidekick-init bundle` makes it, at the other end of the socket.
struct InnerProcess {
    let socket: Descriptor
    /// In the runtime's pid namespace; a child of this process.
    let pid: Int32
    let startTime: UInt64
    /// Opens mounts until the container's root is built; nil when it has ended already.
    let helper: Int32?

    /// Descriptors for the process beside its plan.
    struct Descriptors {
        var hold: Descriptor?
        var status: Descriptor?
        var console: Descriptor?
        /// How many from 3 on the program inherits.
        var preserved = 0
    }

    /// Starts the helper and waits for the process that it clones, which goes on only once `join` was called.
    static func start(
        plan: [UInt8], namespaces: NamespacePlan, initPath: String, _ descriptors: Descriptors
    ) throws -> InnerProcess {
        let executable = try Descriptor(sk_executable_copy(initPath), "read sidekick-init at \(initPath)")
        let file = try Descriptor(plan.withUnsafeBytes { sk_memory_file($0.baseAddress, $0.count) }, "keep the launch plan")
        var pair: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &pair) { sk_message_pair($0.baseAddress?.assumingMemoryBound(to: Int32.self)) }
        guard made == 0 else { throw ContainerError(.kernelRefused, "cannot make a socket pair", cause: systemText(-made)) }
        let ours = try Descriptor(pair.0, "make a socket pair")
        let helper: Int32
        do {
            let theirs = try Descriptor(pair.1, "make a socket pair")
            helper = sk_bundle_spawn(executable.number, theirs.number, Int32(3 + descriptors.preserved))
        }
        guard helper > 0 else { throw ContainerError(.kernelRefused, "cannot start sidekick-init", cause: systemText(-helper)) }
        var message = sk_message()
        message.kind = UInt32(SK_ASK_BUNDLE)
        message.version = SK_PLAN_VERSION
        message.cookie = UInt32(descriptors.preserved)
        var numbers = [file.number]
        for (descriptor, flag) in [
            (descriptors.hold, SK_WITH_HOLD), (descriptors.status, SK_WITH_STATUS), (descriptors.console, SK_WITH_CONSOLE),
        ] {
            guard let descriptor else { continue }
            message.flags |= UInt32(flag)
            numbers.append(descriptor.number)
        }
        let joined = try namespaces.open()
        _ = sk_message_send(ours.number, &message, numbers, Int32(numbers.count))
        if !joined.isEmpty {
            message.kind = UInt32(SK_ASK_JOIN)
            _ = sk_message_send(ours.number, &message, joined.map(\.number), Int32(joined.count))
        }
        let answer: sk_message
        do { answer = try receive(ours, [SK_TELL_CRADLE]) } catch {
            kill(helper, SIGKILL)
            _ = sk_reap(helper)
            throw error
        }
        _ = sk_reap(answer.first > 0 ? answer.first : helper)
        return InnerProcess(
            socket: ours, pid: answer.pid, startTime: ProcessTable.find(answer.pid)?.startTime ?? 0,
            helper: answer.first > 0 ? helper : nil)
    }

    private static func receive(_ socket: Descriptor, _ kinds: [Int]) throws -> sk_message {
        while true {
            var message = sk_message(), descriptor: Int32 = -1
            let got = sk_message_receive(socket.number, &message, &descriptor, -1)
            if descriptor >= 0 { close(descriptor) }
            guard got == 1 else {
                throw ContainerError(
                    .guardGone, "cannot make the container: its process ended without a word",
                    cause: got < 0 ? systemText(-got) : nil)
            }
            if message.kind == UInt32(SK_TELL_FAILED) { throw failure(message) }
            if kinds.contains(Int(message.kind)) { return message }
        }
    }

    /// What sidekick-init says failed, in the kernel's words, which clients look for.
    static func failure(_ message: sk_message) -> ContainerError {
        let text = withUnsafeBytes(of: message.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if message.code == ENOENT, text.hasPrefix("exec ") {
            return ContainerError(
                .kernelRefused, "executable file not found in $PATH: \(text)", cause: systemText(message.code))
        }
        return ContainerError(.kernelRefused, "cannot \(text)", cause: systemText(message.code))
    }

    /// Tells the process that it is in its control groups.
    func tellJoined() throws { try send(SK_ASK_JOINED, []) }

    func tellHooksRan(state: Descriptor) throws { try send(SK_ASK_HOOKS, [state.number]) }

    func awaitHooks() throws { _ = try Self.receive(socket, [SK_TELL_HOOKS]) }

    func awaitHeld() throws {
        _ = try Self.receive(socket, [SK_TELL_STATE])
        if let helper { _ = sk_reap(helper) }
    }

    /// Returns once the process has become its program.
    func awaitExec() throws {
        var message = sk_message(), descriptor: Int32 = -1
        let got = sk_message_receive(socket.number, &message, &descriptor, -1)
        if got == 1, message.kind == UInt32(SK_TELL_FAILED) { throw Self.failure(message) }
    }

    private func send(_ kind: Int, _ descriptors: [Int32]) throws {
        var message = sk_message()
        message.kind = UInt32(kind)
        message.version = SK_PLAN_VERSION
        let error = sk_message_send(socket.number, &message, descriptors, Int32(descriptors.count))
        guard error == 0 else {
            // Its last word says why it is gone.
            _ = try Self.receive(socket, [])
            return
        }
    }

    /// Ends it and everything in its pid namespace.
    func end() {
        kill(pid, SIGKILL)
        _ = sk_wait_child(pid)
        // It ends with whom it serves.
        if let helper { _ = sk_reap(helper) }
    }
}
