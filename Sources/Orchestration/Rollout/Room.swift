import SidekickModel

/// Whether all replicas a step wants have room, and how the operator is told when they have not.
enum Room: Hashable {
    case enough
    /// Not all were placed, but why cannot be said at this moment: what was said before stands.
    case unclear
    case lacking(Shortage)

    /// One event when waiting begins, one when it ends.
    func events(for service: ServiceView, now: Instant) -> [FleetEvent] {
        let name = service.record.name
        switch self {
        case .lacking(let shortage) where !service.lacksRoom:
            let message = "waiting for room: \(shortage.sentence)"
            return [FleetEvent(at: now, kind: .noRoom, service: name, host: shortage.nearest, message: message)]
        case .enough where service.lacksRoom:
            return [FleetEvent(at: now, kind: .roomFound, service: name, message: "\(name) no longer waits for room")]
        case .enough, .unclear, .lacking: return []
        }
    }
}

extension RolloutRecord {
    private static let waiting = "waiting for room: "

    /// What it waits for, when its reason says that it does.
    var awaitedRoom: String? { reason.firstRange(of: Self.waiting).map { String(reason[$0.upperBound...]) } }

    /// Its reason, with what it waits for at the end as long as it does; a decided or paused one says why it is so and nothing else.
    func telling(of room: Room) -> RolloutRecord {
        guard phase == .progressing || phase == .rollingBack, room != .unclear else { return self }
        var told = self
        if let range = reason.firstRange(of: Self.waiting) {
            let before = reason[..<range.lowerBound]
            told.reason = String(before.hasSuffix("; ") ? before.dropLast(2) : before)
        }
        if case .lacking(let shortage) = room {
            told.reason += (told.reason.isEmpty ? "" : "; ") + Self.waiting + shortage.sentence
        }
        return told
    }
}
