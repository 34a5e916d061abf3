import ContainerCore
import FoundationEssentials
import ImageStore
import Orchestration
import SidekickModel

/// How a replica's containers are named, labelled and found again.
enum ReplicaContainer {
    private static let replicaLabel = "sidekick.replica"
    private static let attemptLabel = "sidekick.attempt"
    private static let assignmentLabel = "sidekick.assignment"

    /// `r12-3`: the third container of replica 12.
    static func id(_ replica: ReplicaID, attempt: Int) -> String { "\(replica)-\(attempt)" }

    /// The whole order goes along, so that a container can be adopted even when the journal is lost.
    static func labels(_ assignment: Assignment, attempt: Int) -> [String: String] {
        var labels = [
            replicaLabel: "\(assignment.replica.number)", attemptLabel: "\(attempt)", "sidekick.service": assignment.service,
            "sidekick.revision": "\(assignment.revision)", "sidekick.generation": "\(assignment.generation)",
            "sidekick.image": assignment.imageDigest,
        ]
        if let order = try? JSONEncoder().encode(assignment) {
            labels[assignmentLabel] = String(decoding: order, as: UTF8.self)
        }
        return labels
    }

    /// What a container found on the host belongs to; nil when it is not a replica's.
    static func owner(_ status: ContainerStatus) -> (replica: ReplicaID, attempt: Int, assignment: Assignment?)? {
        guard let number = status.labels[replicaLabel].flatMap(Int64.init),
            let attempt = status.labels[attemptLabel].flatMap(Int.init),
            status.id == id(ReplicaID(number), attempt: attempt)
        else { return nil }
        let order = status.labels[assignmentLabel].flatMap { try? JSONDecoder().decode(Assignment.self, from: Data($0.utf8)) }
        return (ReplicaID(number), attempt, order.flatMap { $0.replica.number == number ? $0 : nil })
    }

    /// Replica and attempt of a container id; nil when it is not one of ours.
    static func parse(_ id: String) -> (replica: ReplicaID, attempt: Int)? {
        let parts = id.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].first == "r", let number = Int64(parts[0].dropFirst()), let attempt = Int(parts[1])
        else {
            return nil
        }
        return (ReplicaID(number), attempt)
    }

    static func endpoint(_ assignment: Assignment, address: String?) -> String? {
        guard let address, let port = assignment.spec.requestPort else { return nil }
        return "\(address):\(port.number)"
    }

    /// What a found container is to its replica's lifecycle.
    static func adopted(_ status: ContainerStatus, attempt: Int, assignment: Assignment) -> AdoptedContainer {
        let state: AdoptedContainer.State =
            switch status.state {
            case .prepared: .prepared
            case .running: .running
            case .frozen: .frozen
            case .exited: .exited(reason: describe(status.exit))
            }
        return AdoptedContainer(
            attempt: attempt, revision: status.labels["sidekick.revision"].flatMap(Int.init) ?? assignment.revision, state: state,
            pid: status.pid.map(Int.init), endpoint: endpoint(assignment, address: status.address))
    }

    /// How a container ended, as a sentence.
    static func describe(_ exit: ContainerExit?) -> String {
        guard let exit else { return "ended, and nothing says how" }
        if let failure = exit.failure { return failure }
        if exit.outOfMemory { return "killed: out of memory; raise resources.memory" }
        if let signal = exit.signal { return "ended by signal \(StopSignal.name(signal))" }
        return "exited with code \(exit.code)"
    }
}

/// Signals by name.
enum StopSignal {
    private static let numbers: [(name: String, number: Int32)] = [
        ("HUP", 1), ("INT", 2), ("QUIT", 3), ("ILL", 4), ("ABRT", 6), ("BUS", 7), ("FPE", 8), ("KILL", 9), ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12), ("PIPE", 13), ("ALRM", 14), ("TERM", 15), ("WINCH", 28), ("SYS", 31),
    ]

    /// TERM for a name that is not known; specs are checked against the known ones before they come here.
    static func number(_ name: String) -> Int32 { numbers.first { $0.name == name }?.number ?? 15 }
    static func name(_ number: Int32) -> String { numbers.first { $0.number == number }?.name ?? "\(number)" }
}
