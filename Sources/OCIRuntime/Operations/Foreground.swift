import ContainerCore
import Glibc
import LinuxShims

/// A process of a container that this command waits for: signals go to it, and its exit code becomes ours.
enum Foreground {
    static func wait(_ pid: Int32, _ relay: TerminalRelay?) throws -> Int32 {
        let process = try Descriptor(sk_process_open(pid), "watch process \(pid)")
        if let relay { try relay.run(until: process) } else { sk_signals_forward(process.number) }
        let status = sk_wait_child(pid)
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }
}

/// A terminal whose master comes to this process and is copied to and from its own standard streams.
struct TerminalRelay {
    let theirs: Descriptor
    private let ours: Descriptor

    init() throws {
        var pair: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &pair) { sk_stream_pair($0.baseAddress?.assumingMemoryBound(to: Int32.self)) }
        guard made == 0 else { throw ContainerError(.kernelRefused, "cannot make a socket pair", cause: systemText(-made)) }
        ours = try Descriptor(pair.0, "make a socket pair")
        theirs = try Descriptor(pair.1, "make a socket pair")
    }

    func run(until process: Descriptor) throws {
        let master = try Descriptor(sk_descriptor_receive(ours.number), "receive the terminal")
        var saved = sk_terminal()
        let isTerminal = isatty(STDIN_FILENO) == 1
        if isTerminal {
            _ = sk_terminal_copy_size(STDIN_FILENO, master.number)
            _ = sk_terminal_raw(STDIN_FILENO, &saved)
        }
        defer { if isTerminal { sk_terminal_restore(STDIN_FILENO, &saved) } }
        _ = sk_terminal_relay(master.number, STDIN_FILENO, STDOUT_FILENO, process.number)
    }
}
