/// Ranges of host user and group ids, 65,536 each, for the containers' user namespaces: from 524,288 to 1,879,048,191, which systemd
/// reserves for containers (systemd's UIDS-GIDS.md).
struct IDRanges: Sendable {
    static let size: UInt32 = 65_536
    private static let first: UInt32 = 524_288
    private static let count: UInt32 = (1_879_048_192 - 524_288) / 65_536

    private var next: UInt32
    private var taken: Set<UInt32> = []

    /// Engines of different names begin at different places, so that they meet late.
    init(engine: String) {
        // FNV-1a
        let hash = engine.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        next = hash % Self.count
    }

    /// The first id of a range that no other container has; nil when all are taken.
    mutating func take() -> UInt32? {
        for _ in 0..<Self.count {
            let id = Self.first + next * Self.size
            next = (next + 1) % Self.count
            if taken.insert(id).inserted { return id }
        }
        return nil
    }

    mutating func keep(_ first: UInt32) { taken.insert(first) }
    mutating func giveBack(_ first: UInt32) { taken.remove(first) }
}
