import Glibc
import LinuxShims

/// Layers unpacked in this boot that may not be on disk yet. Flushing a layer as it is unpacked would take longer than unpacking it;
/// instead each is marked, flushed behind everyone's back, and unmarked. After a loss of power, a layer whose mark is of an earlier boot is
/// taken for damaged and unpacked again.
struct SettlingLayers: Sendable {
    let layout: StoreLayout
    /// Differs with every boot of the machine.
    private let boot: String

    init(_ layout: StoreLayout) throws(ImageError) {
        self.layout = layout
        let doing = "opening the image store \(layout.root)"
        let file = try Descriptor(path: "/proc/sys/kernel/random/boot_id", O_RDONLY, doing: doing)
        var text = [UInt8](repeating: 0, count: 36)
        let count = text.withUnsafeMutableBytes { buffer in retrying { read(file.number, buffer.baseAddress, buffer.count) } }
        guard count == text.count else { throw .system(doing, "read boot_id") }
        boot = String(decoding: text, as: UTF8.self)
    }

    /// The boot is in the name, not in the file: names reach the disk in the order they are made, content does not.
    private func mark(_ diffID: Digest) -> String { "\(layout.settling)/\(diffID.hex).\(boot)" }

    /// Before the layer is moved to its place.
    func add(_ diffID: Digest) throws(ImageError) {
        _ = try Descriptor(path: mark(diffID), O_WRONLY | O_CREAT, mode: 0o600, doing: "unpacking layer \(diffID)")
    }

    /// Waits until what is marked so far is on disk, and unmarks it: long.
    func flush() throws(ImageError) {
        let doing = "flushing layers to disk"
        let marks = try marks()
        guard !marks.isEmpty else { return }
        let layers = try Descriptor(path: layout.layers, O_RDONLY | O_DIRECTORY, doing: doing)
        guard sk_syncfs(layers.number) == 0 else { throw .system(doing, "syncfs") }
        for mark in marks { unlink(layout.settling + "/" + mark.file) }
    }

    /// Layers that an earlier boot left in doubt. To be removed before anyone uses them.
    func doubtful() throws(ImageError) -> [Digest] { try marks().filter { $0.boot != boot }.map(\.diffID) }

    /// When the layer is gone.
    func forget(_ diffID: Digest) throws(ImageError) {
        for mark in try marks() where mark.diffID == diffID { unlink(layout.settling + "/" + mark.file) }
    }

    private func marks() throws(ImageError) -> [(file: String, diffID: Digest, boot: String)] {
        try Files.names(in: layout.settling, doing: "flushing layers to disk").compactMap { file in
            let parts = file.split(separator: ".", maxSplits: 1)
            guard parts.count == 2, let diffID = Digest(hex: parts[0]) else { return nil }
            return (file, diffID, String(parts[1]))
        }
    }
}
