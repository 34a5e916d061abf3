package import EventLoop
import Glibc
package import Logging
import SidekickModel
import Synchronization

/// One gateway: listens, carries requests to replicas, and follows the agent of its host.
///
///     let server = try GatewayServer(configuration, log: log)   // listens; throws `ListenError` when it cannot
///     try await server.run()                                     // returns after `shutdown()`, when the last request has ended
package final class GatewayServer: Sendable {
    private let configuration: GatewayConfiguration
    private let log: Logger
    private let listeners: [Listener]
    private let state = Mutex(State())

    private struct State {
        var stopping = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    /// Listens on every address of the configuration; connections wait until `run()`.
    package init(_ configuration: GatewayConfiguration, log: Logger) throws {
        self.configuration = configuration
        self.log = log
        listeners = try configuration.listen.map { text in
            guard let address = SocketAddress(text: text) else { throw ListenError.invalid(text) }
            if case .unix(let path) = address { unlink(path) }
            do throws(SystemError) {
                return try Listener(address, backlog: configuration.backlog)
            } catch {
                throw ListenError.refused(error, holder: error.number == EADDRINUSE ? PortHolder.find(address) : nil)
            }
        }
    }

    /// Where it listens, in the order of the configuration; a port 0 is the port the system chose.
    package var addresses: [SocketAddress] { listeners.map(\.address) }

    /// Serves until `shutdown()`.
    package func run() async throws {
        let threads = try (0..<max(1, configuration.threads)).map { try LoopThread(name: "gateway-\($0)") }
        let controlThread = try LoopThread(name: "gateway-control")
        let hub = Hub(configuration: configuration, loops: threads.map(\.loop), controlLoop: controlThread.loop, log: log)
        hub.onControl { $0.start() }
        for worker in hub.workers {
            // The first routes are there before the first request is taken.
            controlThread.loop.submit { [listeners] in worker.loop.submit { Self.listen(worker, listeners) } }
        }
        await stopRequested()
        await drain(hub)
        hub.onControl { $0.stop() }
        for thread in threads { await thread.stop() }
        await controlThread.stop()
    }

    /// Takes no more connections, lets requests in flight finish up to the drain time, then makes `run()` return.
    package func shutdown() {
        let waiting = state.withLock { state in
            state.stopping = true
            return state.waiting.take()
        }
        waiting?.resume()
    }

    private static func listen(_ worker: Worker, _ listeners: [Listener]) {
        for listener in listeners {
            do throws(SystemError) {
                try worker.watch(listener)
            } catch {
                worker.hub.log.critical("\(error)")
            }
        }
    }

    private func stopRequested() async {
        await withCheckedContinuation { continuation in
            let already = state.withLock { state in
                if !state.stopping { state.waiting = continuation }
                return state.stopping
            }
            if already { continuation.resume() }
        }
    }

    private func drain(_ hub: Hub) async {
        let (finished, sink) = AsyncStream.makeStream(of: Void.self)
        for worker in hub.workers { worker.loop.submit { worker.drain { sink.yield() } } }
        let deadline = Task { [timeouts = configuration.timeouts, log] in
            try await Task.sleep(nanoseconds: UInt64(max(0, timeouts.drain.nanoseconds)))
            log.warning("requests were still in flight after \(timeouts.drain): cutting them off")
            for worker in hub.workers { worker.loop.submit { worker.closeAll() } }
        }
        var left = hub.workers.count
        for await _ in finished {
            left -= 1
            if left == 0 { break }
        }
        deadline.cancel()
        for worker in hub.workers { worker.loop.submit { worker.closeAll() } }
    }
}

/// Why a gateway does not listen.
package enum ListenError: Error, CustomStringConvertible {
    case invalid(String)
    case refused(SystemError, holder: String?)

    package var description: String {
        switch self {
        case .invalid(let text): "cannot listen on ‘\(text)’: write ADDRESS:PORT with a numeric address, or the path of a socket"
        case .refused(let error, let holder):
            switch error.number {
            case EADDRINUSE:
                "\(error)\(holder.map { " by \($0)" } ?? ""); stop what uses it or choose another with --listen"
            case EACCES: "\(error); ports below 1024 need root or CAP_NET_BIND_SERVICE"
            case EADDRNOTAVAIL: "\(error); this machine has no such address"
            default: "\(error)"
            }
        }
    }
}
