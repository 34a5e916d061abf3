import Testing

/// Things that arrive, to be awaited by what they are.
actor Inbox<Item: Sendable> {
    struct Missing: Error, CustomStringConvertible { let description: String }

    private var items: [Item] = []
    private var waiting: [Int: (matches: @Sendable (Item) -> Bool, continuation: CheckedContinuation<Item, any Error>)] = [:]
    private var last = 0
    private(set) var all: [Item] = []

    func add(_ item: Item) {
        all.append(item)
        for (key, waiter) in waiting where waiter.matches(item) {
            waiting[key] = nil
            items = []
            waiter.continuation.resume(returning: item)
            return
        }
        items.append(item)
    }

    /// The first item that matches; those before it are passed over.
    func next(
        _ what: String, within limit: Duration = .seconds(10), _ matches: @escaping @Sendable (Item) -> Bool
    ) async throws -> Item {
        if let index = items.firstIndex(where: matches) {
            let item = items[index]
            items.removeSubrange(...index)
            return item
        }
        items = []
        last += 1
        let key = last
        let timeout = Task {
            try await Task.sleep(for: limit)
            waiting.removeValue(forKey: key)?.continuation.resume(
                throwing: Missing(description: "\(what) did not come; last: \(all.suffix(3))"))
        }
        defer { timeout.cancel() }
        return try await withCheckedThrowingContinuation { waiting[key] = (matches, $0) }
    }
}
