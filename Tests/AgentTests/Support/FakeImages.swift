import ImageStore

/// One image that is everything.
struct FakeImages: ImageLibrary {
    let layer: String

    func importImage(path: String, name: String?, configuration: ImageConfiguration?) async throws(ImageError) -> [StoredImage] {
        []
    }
    func image(_ reference: String) async throws(ImageError) -> StoredImage {
        throw ImageError(.notFound, "\(reference) is not here")
    }
    func images() async throws(ImageError) -> [StoredImage] { [] }
    func remove(_ reference: String, keep: Set<String>) async throws(ImageError) {}
    func unpack(_ digest: String) async throws(ImageError) -> UnpackedImage {
        guard digest != "sha256:bad" else { throw ImageError(.notFound, "\(digest) is not here") }
        var configuration = ImageConfiguration()
        configuration.command = ["/bin/web"]
        return UnpackedImage(digest: digest, layers: [layer], configuration: configuration)
    }
}
