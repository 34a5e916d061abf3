import Glibc
import LinuxShims
import Synchronization

/// One further process in a running container, from start to end, on a thread that may wait.
struct FurtherRun {
    let container: Container
    let arguments: [String]
    let timeoutMilliseconds: Int64
    let seccomp: [UInt64]

    private static let largestOutput = 65_536

    func run() throws(ContainerError) -> (exit: ContainerExit, output: [UInt8]) {
        let process = try FurtherProcess()
        let (link, cookie) = try container.register(process, for: arguments[0])
        defer { container.unregister(cookie) }
        let output = try start(link, cookie)
        let deadline = sk_monotonic_nanoseconds() + timeoutMilliseconds * 1_000_000
        var text: [UInt8] = []
        var isOpen = true
        while true {
            let left = Int32(clamping: (deadline - sk_monotonic_nanoseconds() + 999_999) / 1_000_000)
            if left <= 0 {
                try? link.send(SK_ASK_EXEC_KILL, cookie: cookie)
                throw ContainerError(
                    .timedOut, "\(arguments[0]) in container \(container.id) did not end within \(timeoutMilliseconds) ms")
            }
            let ready = sk_wait_readable(isOpen ? output.number : -1, process.ended.number, left)
            if ready & 1 != 0 { isOpen = take(output, &text) }
            if ready & 2 != 0 { break }
        }
        while isOpen, sk_wait_readable(output.number, -1, 0) & 1 != 0 { isOpen = take(output, &text) }
        let (exit, failure) = process.result.withLock { $0 }
        guard var exit else {
            throw ContainerError(.guardGone, "container \(container.id) ended while \(arguments[0]) ran in it")
        }
        exit.failure = failure
        return (exit, text)
    }

    /// Has the container's first process start ours; gives the reading end of its output.
    private func start(_ link: GuardLink, _ cookie: UInt32) throws(ContainerError) -> Descriptor {
        let plan = try LaunchPlan.compile(further: arguments, in: container.configuration, seccomp: seccomp)
        let file = try Descriptor(plan.withUnsafeBytes { sk_memory_file($0.baseAddress, $0.count) }, "keep the launch plan")
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        let input = try Descriptor(null < 0 ? -errno : null, "open /dev/null")
        let (reading, writing) = try Descriptor.pipe()
        try link.send(
            SK_ASK_EXEC, cookie: cookie, descriptors: [file.number, input.number, writing.number, writing.number])
        return reading
    }

    /// Takes what the pipe holds, keeping what fits; false at its end.
    private func take(_ output: Descriptor, _ text: inout [UInt8]) -> Bool {
        var piece = [UInt8](repeating: 0, count: 16384)
        let got = read(output.number, &piece, piece.count)
        if got > 0 { text.append(contentsOf: piece.prefix(min(got, Self.largestOutput - text.count))) }
        return got > 0
    }
}
