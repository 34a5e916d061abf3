import SidekickModel

/// The held requests of one service, oldest first. Adding, taking the oldest and removing any one cost the same however many
/// there are.
struct HoldQueue: Sendable {
    struct Entry {
        var request: RequestID
        var arrived: Instant
        var bytes = 0
    }

    private struct Node {
        var entry: Entry
        var previous: Int32
        var next: Int32
    }

    private static let none: Int32 = -1

    private var nodes: [Node] = []
    private var free: [Int32] = []
    private var places: [RequestID: Int32] = [:]
    private var head = none
    private var tail = none
    /// Memory that those held take.
    private(set) var bytes = 0

    var count: Int { places.count }
    var isEmpty: Bool { head == Self.none }
    var oldest: Entry? { head == Self.none ? nil : nodes[Int(head)].entry }

    /// Puts a request where its arrival puts it: behind all that arrived no later.
    mutating func insert(_ request: RequestID, arrived: Instant, bytes: Int = 0) {
        self.bytes += bytes
        var after = tail
        // A request that comes back from a failed endpoint is older than nearly all: look from the front then.
        if let oldest, arrived < oldest.arrived { after = Self.none }
        while after != Self.none, nodes[Int(after)].entry.arrived > arrived { after = nodes[Int(after)].previous }
        let next = after == Self.none ? head : nodes[Int(after)].next
        let node = Node(entry: Entry(request: request, arrived: arrived, bytes: bytes), previous: after, next: next)
        let place: Int32
        if let reused = free.popLast() {
            place = reused
            nodes[Int(reused)] = node
        } else {
            place = Int32(nodes.count)
            nodes.append(node)
        }
        if after == Self.none { head = place } else { nodes[Int(after)].next = place }
        if next == Self.none { tail = place } else { nodes[Int(next)].previous = place }
        places[request] = place
    }

    mutating func takeOldest() -> Entry? {
        guard let oldest else { return nil }
        remove(oldest.request)
        return oldest
    }

    /// Whether the request was held.
    @discardableResult
    mutating func remove(_ request: RequestID) -> Bool {
        guard let place = places.removeValue(forKey: request) else { return false }
        let node = nodes[Int(place)]
        bytes -= node.entry.bytes
        if node.previous == Self.none { head = node.next } else { nodes[Int(node.previous)].next = node.next }
        if node.next == Self.none { tail = node.previous } else { nodes[Int(node.next)].previous = node.previous }
        free.append(place)
        return true
    }
}
