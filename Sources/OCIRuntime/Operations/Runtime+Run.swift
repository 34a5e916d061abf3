import ContainerCore
import Glibc
import LinuxShims

extension Runtime {
    /// Creates and starts. The program's exit code, 0 as soon as it runs when detached. What is not detached is deleted at its end, unless kept.
    package func run(_ request: CreateRequest, detach: Bool, keep: Bool) throws -> Int32 {
        let bundle = try Bundle(directory: request.bundle, file: request.configuration)
        let wantsTerminal = bundle.configuration.process?.terminal == true
        var console: Descriptor?, relay: TerminalRelay?
        if wantsTerminal, let path = request.consoleSocket {
            console = try Descriptor(sk_stream_connect(path), "connect to the console socket \(path)")
        } else if wantsTerminal {
            guard !detach else { throw invalid("process.terminal is true: run --detach needs --console-socket") }
            relay = try TerminalRelay()
            console = relay?.theirs
        }
        if !detach { _ = sk_become_subreaper() }
        let (container, record) = try create(request, bundle, console: console)
        do {
            try start(container, record, bundle)
        } catch {
            container.unlock()
            try? delete(request.id, force: true)
            throw error
        }
        container.unlock()
        if detach { return 0 }
        let code = try Foreground.wait(record.pid, relay)
        if !keep { try delete(request.id, force: true) }
        return code
    }
}
