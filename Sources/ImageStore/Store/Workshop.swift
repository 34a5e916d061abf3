import Glibc
import Synchronization

/// A directory of one open store for what is not whole yet. Its lock file is held as long as the store is open; one that nobody holds was
/// left by a crash and is removed by the next store that opens.
final class Workshop: Sendable {
    let path: String
    private let counter = Atomic<UInt64>(0)
    /// Held until deinit.
    private let lock: FileLock

    init(_ layout: StoreLayout) throws(ImageError) {
        let doing = "opening the image store \(layout.root)"
        let opening = try FileLock(waiting: layout.openLock, .exclusive, doing: doing)
        defer { withExtendedLifetime(opening) {} }
        for name in try Files.names(in: layout.temporary, doing: doing) {
            let left = layout.temporary + "/" + name
            // Made and locked only here, under the open lock: one without a holder was left behind.
            if FileLock.isHeld(left + "/lock") { continue }
            try Files.removeTree(left, doing: doing)
        }
        var random = SystemRandomNumberGenerator()
        path = layout.temporary + "/" + String(random.next(), radix: 36)
        try Files.makeDirectory(path, doing: doing)
        lock = try FileLock(waiting: path + "/lock", .exclusive, doing: doing)
    }

    deinit {
        // Best effort: what stays is removed by the next store that opens.
        try? Files.removeTree(path, doing: "closing the image store")
    }

    /// A path nothing is at yet.
    func fresh(_ kind: String) -> String {
        "\(path)/\(kind)-\(counter.add(1, ordering: .relaxed).newValue)"
    }
}
