import ContainerCore
import FoundationEssentials
import Glibc
import LinuxShims

/// Runs hooks in the runtime's own namespaces, each with the container's state on its standard input.
struct HookRunner {
    let bundle: Bundle
    let state: Data

    /// One after another, until one fails.
    func run(_ hooks: [BundleConfiguration.Hook]?, _ point: String) throws {
        for hook in hooks ?? [] {
            guard hook.path.hasPrefix("/") else { throw invalid("hooks.\(point): path \(hook.path) must be absolute") }
            try run(hook, point)
        }
    }

    private func run(_ hook: BundleConfiguration.Hook, _ point: String) throws {
        let input = try Descriptor(state.withUnsafeBytes { sk_memory_file($0.baseAddress, $0.count) }, "keep a hook's state")
        lseek(input.number, 0, SEEK_SET)
        let output = try file("run.oci.hooks.stdout"), errors = try file("run.oci.hooks.stderr")
        let arguments = CStrings(hook.args?.isEmpty == false ? hook.args ?? [] : [hook.path])
        let environment = CStrings(hook.env ?? ownEnvironment())
        let pid = sk_hook_spawn(
            hook.path, arguments.pointers, environment.pointers, bundle.directory, input.number,
            output?.number ?? -1, errors?.number ?? -1)
        guard pid > 0 else {
            throw ContainerError(.kernelRefused, "cannot run hook \(point) \(hook.path)", cause: systemText(-pid))
        }
        var isInTime = true
        if let timeout = hook.timeout, timeout > 0 {
            let process = try Descriptor(sk_process_open(pid), "watch hook \(hook.path)")
            var ended = pollfd(fd: process.number, events: Int16(POLLIN), revents: 0)
            isInTime = poll(&ended, 1, timeout &* 1000) != 0
            if !isInTime { kill(pid, SIGKILL) }
        }
        let status = sk_wait_child(pid)
        guard isInTime else {
            throw ContainerError(.timedOut, "hook \(point) \(hook.path) did not end within \(hook.timeout ?? 0) s and was killed")
        }
        guard status == 0 else {
            let how = status & 0x7f == 0 ? "exit code \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
            throw ContainerError(.kernelRefused, "\(point) hook failed with \(how): \(hook.path)")
        }
    }

    /// Where crun's annotations send what hooks print; nowhere without one.
    private func file(_ annotation: String) throws -> Descriptor? {
        guard let path = bundle.configuration.annotations?[annotation] else { return nil }
        let number = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o700)
        return try Descriptor(number < 0 ? -errno : number, "open \(path) of annotation \(annotation)")
    }
}

/// Strings as C wants them for an exec, for as long as this lives.
final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ texts: [String]) {
        count = texts.count
        pointers = .allocate(capacity: count + 1)
        for (index, text) in texts.enumerated() { pointers[index] = strdup(text) }
        pointers[count] = nil
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
