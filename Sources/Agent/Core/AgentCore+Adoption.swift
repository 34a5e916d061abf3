import ContainerCore
import Logging
import Orchestration
import SidekickModel

/// How a starting agent finds again what an earlier one left.
extension AgentCore {
    /// Takes over the orders of the journal and the containers that stand. Containers without a journalled order carry theirs in
    /// a label.
    func adopt(_ journalled: JournalState, _ statuses: [ContainerStatus]) {
        epoch = journalled.epoch
        routes = journalled.routes
        peeringSecret = journalled.peeringSecret
        var containers: [ReplicaID: (attempt: Int, status: ContainerStatus)] = [:]
        var entries = journalled.replicas
        for status in statuses {
            guard let owner = ReplicaContainer.owner(status) else {
                logger.warning("a container is no replica's and is left alone", metadata: ["container": "\(status.id)"])
                continue
            }
            if entries[owner.replica] == nil, let assignment = owner.assignment {
                entries[owner.replica] = JournalState.Entry(assignment: assignment, memory: ReplicaMemory())
                journal.append(.assignment(assignment))
            }
            let other = containers[owner.replica]
            if entries[owner.replica] == nil
                || owner.attempt < max(other?.attempt ?? 0, entries[owner.replica]?.memory.attempt ?? 0)
            {
                discard(status.id)
                continue
            }
            if let other { discard(other.status.id) }
            containers[owner.replica] = (owner.attempt, status)
        }
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
            let found = containers[id]
            begin(
                entry.assignment, memory: entry.memory,
                container: found.map { ReplicaContainer.adopted($0.status, attempt: $0.attempt, assignment: entry.assignment) },
                address: found?.status.address)
        }
        logger.notice(
            "took over what stands on this host",
            metadata: ["replicas": "\(entries.count)", "containers": "\(containers.count)", "routes": "\(routes.count)"])
    }

    /// Removes a container that stands for nothing any more.
    private func discard(_ container: String) {
        let runtime = runtime
        Task {
            do {
                try await runtime.remove(container)
            } catch {
                logger.warning(
                    "a container left over is not removed", metadata: ["container": "\(container)", "error": "\(error)"])
            }
        }
    }
}
