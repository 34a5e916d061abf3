package import SidekickModel

/// What one replica holds of its host's processor share and memory, for as long as its record exists.
///
/// An offline replica uses no processor: the declared cpu is held only by a replica that is wanted online or that its host brought
/// online by itself. The declared memory is held from `frozen` up, since a frozen process keeps its pages, and until a process on its
/// way out is gone; a `staged` or `prepared` replica has no process and holds nothing. What is not declared is not held.
package struct Reservation: Hashable, Sendable {
    /// Thousandths of a core.
    package var cpu: Int64
    /// Bytes.
    package var memory: Int64

    package static let nothing = Reservation(cpu: 0, memory: 0)

    package init(cpu: Int64, memory: Int64) {
        self.cpu = cpu
        self.memory = memory
    }

    /// What an order for `desired` asks for when nothing runs yet.
    package init(_ resources: Resources, at desired: DesiredState) {
        self = .nothing
        guard case .rung(let rung) = desired else { return }
        if rung == .online { cpu = resources.cpu?.count ?? 0 }
        if rung >= .frozen { memory = resources.memory?.bytes ?? 0 }
    }

    /// What a replica with this order holds, given the newest report about it.
    package init(_ resources: Resources, desired: DesiredState, observed: ObservedReplica?) {
        self.init(resources, at: desired)
        guard let observed, observed.phase != .removed else { return }
        if observed.wokenLocally, desired != .removed { cpu = resources.cpu?.count ?? 0 }
        let runs = observed.rung.map { $0 >= .frozen } ?? false
        if runs || observed.wokenLocally || observed.phase == .draining || observed.phase == .stopping {
            memory = resources.memory?.bytes ?? 0
        }
    }

    /// What has to be free for going from `before` to `self`; never negative, since what goes is given out once it is gone.
    package func beyond(_ before: Reservation) -> Reservation {
        Reservation(cpu: max(0, cpu - before.cpu), memory: max(0, memory - before.memory))
    }

    package static func += (a: inout Reservation, b: Reservation) {
        a.cpu += b.cpu
        a.memory += b.memory
    }

    package static func -= (a: inout Reservation, b: Reservation) {
        a.cpu -= b.cpu
        a.memory -= b.memory
    }
}

extension HostView {
    /// Holds `more` for what was ordered in this round.
    package mutating func reserve(_ more: Reservation) {
        reservedCPU = MilliCPU(reservedCPU.count + more.cpu)
        reservedMemory = ByteCount(reservedMemory.bytes + more.memory)
    }

    /// What this step's orders for `service` will hold beyond what is reserved already.
    package static func reserve(for actions: [FleetAction], of service: ServiceView, in hosts: inout [HostView]) {
        guard actions.contains(where: { if case .event = $0 { false } else { true } }) else { return }
        let places = Dictionary(hosts.indices.map { (hosts[$0].record.name, $0) }, uniquingKeysWith: { first, _ in first })
        let replicas = Dictionary(service.replicas.map { ($0.record.id, $0) }, uniquingKeysWith: { first, _ in first })
        func reserve(_ revision: Int, on host: String, _ more: (Resources) -> Reservation) {
            guard let resources = service.revisions[revision]?.spec.resources,
                let index = places[host]
            else { return }
            hosts[index].reserve(more(resources))
        }
        for action in actions {
            switch action {
            case .create(_, let revision, let host, let desired):
                reserve(revision, on: host) { Reservation($0, at: desired) }
            case .order(let id, let desired):
                guard let one = replicas[id] else { continue }
                reserve(one.record.revision, on: one.record.host) {
                    Reservation($0, desired: desired, observed: one.observed)
                        .beyond(Reservation($0, desired: one.record.desired, observed: one.observed))
                }
            case .forget, .rollout, .stable, .removeService, .event: continue
            }
        }
    }
}
