package import Orchestration
package import SidekickModel

/// One change of what an agent must know after it died.
package enum JournalRecord: Hashable, Sendable, Codable {
    case assignment(Assignment)
    case memory(ReplicaID, ReplicaMemory)
    case forget([ReplicaID])
    case route(ServiceRoute)
    case removeRoutes([String])
    /// The highest controller epoch seen.
    case epoch(Int64)
    /// What the fleet's gateways know one another by.
    case peering(String)
}

/// What the records add up to.
package struct JournalState: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        package var assignment: Assignment
        package var memory: ReplicaMemory
    }

    package var replicas: [ReplicaID: Entry] = [:]
    package var routes: [String: ServiceRoute] = [:]
    package var epoch: Int64 = 0
    /// Empty before the controller said it.
    package var peeringSecret = ""

    package init() {}

    package mutating func apply(_ record: JournalRecord) {
        switch record {
        case .assignment(let assignment):
            replicas[assignment.replica, default: Entry(assignment: assignment, memory: ReplicaMemory())].assignment = assignment
        case .memory(let replica, let memory): replicas[replica]?.memory = memory
        case .forget(let gone): for replica in gone { replicas[replica] = nil }
        case .route(let route): routes[route.service] = route
        case .removeRoutes(let services): for service in services { routes[service] = nil }
        case .epoch(let epoch): self.epoch = max(self.epoch, epoch)
        case .peering(let secret): peeringSecret = secret
        }
    }

    /// The fewest records that add up to this.
    package var records: [JournalRecord] {
        let entries = replicas.sorted { $0.key < $1.key }
        return [.epoch(epoch), .peering(peeringSecret)] + routes.sorted { $0.key < $1.key }.map { .route($0.value) }
            + entries.map { .assignment($0.value.assignment) } + entries.map { .memory($0.key, $0.value.memory) }
    }
}
