import Glibc
import LinuxShims
import Synchronization

extension ContainerEngine {
    /// The address at which containers ask for names; nil when nobody answers there.
    var nameServer: IPv4Address? { nameService.withLock { $0 == nil ? nil : network?.gateway } }

    /// Without port 53 containers go on with the host's own resolvers, and the notes say what is missing.
    func startNames() {
        guard configuration.servesNames, let network, nameService.withLock({ $0 == nil }) else { return }
        let resolvers = HostResolvers()
        do throws(ContainerError) {
            let server = try NameServer(address: network.gateway, resolvers: resolvers.addresses)
            let service = NameService(server)
            let isServed = startThread { [threads] in
                sk_name_thread("names")
                server.run { threads.submit($0) }
                service.hasEnded.withLock { $0 = true }
                service.changed.wakeAll()
            }
            guard isServed else { throw ContainerError(.kernelRefused, "cannot start the thread that answers names") }
            nameService.withLock { $0 = service }
        } catch {
            note("\(error): NAME.\(NameZone.suffix) is not known inside containers; free port 53 of that address and restart")
        }
    }

    /// Returns once port 53 is free again; to be called where waiting is allowed.
    func stopNames() {
        guard let service = nameService.withLock({ $0.take() }) else { return }
        service.server.stop()
        while true {
            let seen = service.changed.generation
            if service.hasEnded.withLock({ $0 }) { return }
            service.changed.wait(since: seen)
        }
    }
}

/// The server and the end of its thread.
final class NameService: Sendable {
    let server: NameServer
    let hasEnded = Mutex(false)
    let changed = Condition()

    init(_ server: NameServer) { self.server = server }
}

/// The host's resolvers as /etc/resolv.conf names them, looked at anew each second: a host's network changes while containers run.
final class HostResolvers: Sendable {
    private let state = Mutex<(read: Int64, addresses: [IPv4Address])>((0, []))

    var addresses: [IPv4Address] {
        state.withLock { state in
            let now = sk_monotonic_nanoseconds()
            if state.read == 0 || now - state.read > 1_000_000_000 { state = (now, resolverAddresses(hostResolverText())) }
            return state.addresses
        }
    }
}

/// The host's /etc/resolv.conf; empty when there is none.
func hostResolverText() -> String { readSmallFile("/etc/resolv.conf") ?? "" }
