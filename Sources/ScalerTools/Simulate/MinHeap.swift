/// A binary heap of moments, the earliest first.
struct MinHeap {
    private var items: [Double] = []

    var first: Double { items.first ?? .infinity }
    var count: Int { items.count }
    var isEmpty: Bool { items.isEmpty }

    mutating func push(_ item: Double) {
        items.append(item)
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard items[child] < items[parent] else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    /// Removes and returns the earliest; infinity when empty.
    @discardableResult mutating func pop() -> Double {
        guard let top = items.first else { return .infinity }
        let last = items.removeLast()
        guard !items.isEmpty else { return top }
        items[0] = last
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child] < items[smallest] {
                smallest = child
            }
            if smallest == parent { return top }
            items.swapAt(parent, smallest)
            parent = smallest
        }
    }

    /// Removes one of the latest.
    mutating func removeLatest() {
        guard let index = items.indices.max(by: { items[$0] < items[$1] }) else { return }
        var rest = items
        rest.remove(at: index)
        items = []
        for item in rest { push(item) }
    }
}
