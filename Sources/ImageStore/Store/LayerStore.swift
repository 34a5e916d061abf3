import Glibc

/// The unpacked layers of a store, each made once however many tasks and processes ask for it. Its calls may wait long: never on the
/// cooperative pool.
struct LayerStore: Sendable {
    let layout: StoreLayout
    let workshop: Workshop
    let limits: ImageLimits
    let settling: SettlingLayers

    /// Makes sure that the layer in `blob` is unpacked and is `diffID`; of one that another blob was unpacked for only the latter is left.
    func ensure(_ diffID: Digest, blob: String, what: String) throws(ImageError) {
        func check(_ found: Digest) throws(ImageError) {
            guard found == diffID else {
                throw ImageError(
                    .digestMismatch, "\(what) unpacks to \(found), its image's configuration says \(diffID); make the image anew")
            }
        }
        let path = layout.layer(diffID)
        if !Files.exists(path) {
            let isDone = try FileLock.hold(layout.layerLock(diffID), .exclusive, doing: "unpacking \(what)") {
                () throws(ImageError) in
                if Files.exists(path) { return false }
                try unpack(blob, what, accept: check)
                return true
            }
            if isDone { return }
        }
        try check(try LayerUnpacker.digest(blob: blob, limits: limits, what: what))
    }

    /// Unpacks a layer of which no diff id is known, and gives that.
    func adopt(blob: String, what: String) throws(ImageError) -> Digest {
        try unpack(blob, what, mustEnd: true) { _ in }
    }

    /// Unpacks into a fresh directory, lets `accept` refuse the result, and moves it to its place.
    @discardableResult
    private func unpack(
        _ blob: String, _ what: String, mustEnd: Bool = false, accept: (Digest) throws(ImageError) -> Void
    ) throws(ImageError) -> Digest {
        let fresh = workshop.fresh("layer")
        try Files.makeDirectory(fresh, doing: "unpacking \(what)")
        do throws(ImageError) {
            guard chmod(fresh, 0o755) == 0 else { throw ImageError.system("unpacking \(what)", "chmod") }
            let diffID = try LayerUnpacker.unpack(blob: blob, into: fresh, mustEnd: mustEnd, limits: limits, what: what)
            try accept(diffID)
            try settling.add(diffID)
            let place = layout.layer(diffID)
            if rename(fresh, place) != 0 {
                guard errno == EEXIST || errno == ENOTEMPTY else { throw ImageError.system("unpacking \(what)", "rename") }
                // Another one unpacked the same meanwhile.
                try Files.removeTree(fresh, doing: "unpacking \(what)")
            }
            return diffID
        } catch {
            try? Files.removeTree(fresh, doing: "removing a layer half unpacked")
            throw error
        }
    }
}
