import ContainerCore
import NIOCore
import Orchestration
import SidekickModel

/// One probe being repeated.
struct RunningProbe {
    let order: ProbeOrder
    var schedule: ProbeSchedule
    /// Number of the check under way; nil between checks.
    var check: UInt64?
    var next: Scheduled<Void>?
}

/// Repeats checks: one timer per probe on the event loop's heap, at most one check of a probe under way.
extension AgentCore {
    func startProbe(_ id: ReplicaID, _ order: ProbeOrder, eager: Bool) {
        let schedule = ProbeSchedule(every: order.probe.every, startedAt: now, eager: eager)
        replicas[id]?.probes[order.kind] = RunningProbe(order: order, schedule: schedule)
        probeNow(id, order.kind)
    }

    func stopProbe(_ id: ReplicaID, _ kind: ProbeKind) {
        replicas[id]?.probes.removeValue(forKey: kind)?.next?.cancel()
    }

    func probeNow(_ id: ReplicaID, _ kind: ProbeKind) {
        guard let probe = replicas[id]?.probes[kind], probe.check == nil else { return }
        probe.next?.cancel()
        lastCheck += 1
        let number = lastCheck
        replicas[id]?.probes[kind]?.check = number
        let done: Check.Done = { failure in self.assumeIsolated { $0.checked(id, kind, number, failure) } }
        let eager = probe.schedule.eager
        let timeout = TimeAmount.milliseconds(probe.order.probe.timeout.count)
        // A lost packet is sent again by the kernel after a second only, which is far too late for one that is on its way up.
        let connectTimeout = eager ? min(timeout, .milliseconds(100)) : timeout
        if let command = probe.order.probe.exec {
            runInside(id, probe.order, command, number)
        } else if let question = probe.order.probe.question {
            let port = replicas[id]?.lifecycle.assignment.spec.requestPort
            guard let endpoint = endpoint(id, port: port?.name ?? "http", done) else { return }
            Check.ask(
                endpoint, question, speaking: port?.speaks ?? .http1, on: loop, connectTimeout: connectTimeout, timeout: timeout,
                done: done)
        } else {
            guard let endpoint = endpoint(id, port: probe.order.probe.tcp ?? "http", done) else { return }
            Check.tcp(endpoint, on: loop, timeout: connectTimeout, done: done)
        }
    }

    private func checked(_ id: ReplicaID, _ kind: ProbeKind, _ number: UInt64, _ failure: String?) {
        guard var probe = replicas[id]?.probes[kind], probe.check == number else { return }
        probe.check = nil
        if failure == nil { probe.schedule.eager = false }
        replicas[id]?.probes[kind] = probe
        step(id, .container(attempt: probe.order.attempt, .probed(kind, failure: failure)))
        // Stepping may have ended this probe, or asked for a check at once.
        guard replicas[id]?.probes[kind]?.order == probe.order, replicas[id]?.probes[kind]?.check == nil else { return }
        replicas[id]?.probes[kind]?.next = loop.scheduleTask(in: .nanoseconds(probe.schedule.pause(now: now))) {
            self.assumeIsolated { $0.probeNow(id, kind) }
        }
    }

    private func endpoint(_ id: ReplicaID, port name: String, _ done: @escaping Check.Done) -> SocketAddress? {
        let replica = replicas[id]
        guard let address = replica?.address, let port = replica?.lifecycle.assignment.spec.ports[name],
            let endpoint = try? SocketAddress(ipAddress: address, port: port)
        else {
            loop.execute { done("the replica has no address for port ‘\(name)’") }
            return nil
        }
        return endpoint
    }

    private func runInside(_ id: ReplicaID, _ order: ProbeOrder, _ command: [String], _ number: UInt64) {
        let runtime = runtime
        let container = ReplicaContainer.id(id, attempt: order.attempt)
        Task {
            let failure: String?
            do {
                let (exit, output) = try await runtime.run(
                    container, arguments: command, timeoutMilliseconds: order.probe.timeout.count)
                let said = String(decoding: output.prefix(200), as: UTF8.self).split(separator: "\n").last.map { ": \($0)" } ?? ""
                failure = exit.code == 0 && exit.failure == nil ? nil : "\(command[0]) \(ReplicaContainer.describe(exit))\(said)"
            } catch {
                failure = "\(error)"
            }
            checked(id, order.kind, number, failure)
        }
    }
}
