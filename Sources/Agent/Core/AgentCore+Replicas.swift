import AgentProtocol
import ContainerCore
import Logging
import NIOCore
import Orchestration
import SidekickModel

/// Steps lifecycles and does what they say.
extension AgentCore {
    /// A new replica, or one found again.
    func begin(
        _ assignment: Assignment, memory: ReplicaMemory = ReplicaMemory(), container: AdoptedContainer? = nil,
        address: String? = nil
    ) {
        let (lifecycle, actions) = ReplicaLifecycle.begin(assignment: assignment, memory: memory, container: container, now: now)
        replicas[assignment.replica] = Replica(lifecycle: lifecycle, address: address)
        replicasOfService[assignment.service, default: []].append(assignment.replica)
        replicasOfService[assignment.service]?.sort()
        perform(actions, for: assignment.replica)
    }

    func step(_ id: ReplicaID, _ event: LifecycleEvent) {
        guard let actions = replicas[id]?.lifecycle.step(event, now: now) else { return }
        perform(actions, for: id)
    }

    func forget(_ id: ReplicaID) {
        guard let replica = replicas.removeValue(forKey: id) else { return }
        let service = replica.lifecycle.assignment.service
        replicasOfService[service]?.removeAll { $0 == id }
        if replicasOfService[service]?.isEmpty ?? false { replicasOfService[service] = nil }
        replica.timer?.cancel()
        unreported[id] = nil
        drains.ended(id)
        journal.append(.forget([id]))
    }

    func containerExited(_ containerID: String, _ exit: ContainerExit) {
        guard let (replica, attempt) = ReplicaContainer.parse(containerID) else { return }
        step(replica, .container(attempt: attempt, .exited(reason: ReplicaContainer.describe(exit))))
        guard replicas[replica]?.lifecycle.stage == .exited else { return }
        let path = runtime.logPath(containerID)
        Task {
            // A log that cannot be read leaves the failure as it is.
            guard let words = try? await LogReader.lastLine(path: path), !words.isEmpty else { return }
            step(replica, .container(attempt: attempt, .lastWords(words)))
        }
    }

    private func perform(_ actions: [LifecycleAction], for id: ReplicaID) {
        setTimer(id)
        for action in actions {
            guard let assignment = replicas[id]?.lifecycle.assignment else { return }
            logger.trace("step", metadata: ["replica": "\(id)", "action": "\(action)"])
            switch action {
            case .route(let routing): reroute(id, routing, assignment.service)
            case .remember(let memory): journal.append(.memory(id, memory))
            case .report(let observed): report(observed)
            case .startProbe(let order, let eager): startProbe(id, order, eager: eager)
            case .stopProbe(let kind): stopProbe(id, kind)
            case .probeNow(let kind): probeNow(id, kind)
            case .stage, .prepare, .start, .freeze, .thaw, .signal, .kill, .remove: operate(action, assignment)
            }
        }
        guard let lifecycle = replicas[id]?.lifecycle else { return }
        announceHope(lifecycle.assignment.service)
        // Drained before it began to wait for that: the gateways will not say so twice.
        if lifecycle.stage == .draining { endDrains() }
    }

    private func reroute(_ id: ReplicaID, _ routing: ReplicaRouting, _ service: String) {
        lastOrderNumber += 1
        replicas[id]?.routing = routing
        replicas[id]?.orderNumber = lastOrderNumber
        if case .draining = routing { drains.began(id, number: lastOrderNumber) } else { drains.ended(id) }
        announce(service)
    }

    private func setTimer(_ id: ReplicaID) {
        guard let replica = replicas[id], replica.timerDeadline != replica.lifecycle.deadline else { return }
        replica.timer?.cancel()
        replicas[id]?.timerDeadline = replica.lifecycle.deadline
        replicas[id]?.timer = replica.lifecycle.deadline.map { deadline in
            loop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, deadline.nanoseconds)))) {
                self.assumeIsolated { core in
                    core.replicas[id]?.timerDeadline = nil
                    core.step(id, .deadlinePassed)
                    core.setTimer(id)
                }
            }
        }
    }
}
