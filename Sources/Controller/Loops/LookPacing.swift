import SidekickModel

/// Spaces out the looks at services that take long to look at, so that the loop's time follows what changed rather than how many reports said
/// so: a thousand agents that report on one service of thousands of replicas cost a few looks instead of a thousand.
struct LookPacing {
    /// A look that takes less costs nothing worth saving.
    private static let cheap = 0.002
    /// A service is left alone for this many times as long as its last look took.
    private static let rest = 3.0

    private var restsUntil: [String: Instant] = [:]

    /// Takes out of `services` those whose turn it is.
    mutating func takeDue(from services: inout Set<String>, now: Instant) -> [String] {
        guard !restsUntil.isEmpty else {
            defer { services = [] }
            return services.sorted()
        }
        restsUntil = restsUntil.filter { $0.value > now }
        let due = services.filter { restsUntil[$0] == nil }
        services.subtract(due)
        return due.sorted()
    }

    mutating func looked(at service: String, from start: Instant, to end: Instant) {
        let took = end - start
        guard took > Self.cheap else { return }
        restsUntil[service] = end + Milliseconds(Int64(took * Self.rest * 1000) + 1)
    }

    /// When the first of `services` that rests is to be looked at; nil when none rests.
    func nextTurn(among services: Set<String>) -> Instant? { services.compactMap { restsUntil[$0] }.min() }
}
