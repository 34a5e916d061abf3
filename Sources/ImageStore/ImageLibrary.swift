/// What the rest of Sidekick asks of images on one host. `ImageStore` is the one implementation: a directory with content-addressed blobs,
/// names and unpacked layers, safe to share between processes (controller and agent of a standalone host use the same one).
package protocol ImageLibrary: Sendable {
    /// Imports the OCI layout, `docker save` archive or root file system tarball at `path` (plain, gzip or zstd; a layout may be a
    /// directory). The kind is found by looking inside. Every digest is verified before anything is named.
    /// - Parameter name: reference the image gets, such as `web:1.4.2`; needed for a root file system tarball, replaces what the archive says
    ///   otherwise.
    func importImage(path: String, name: String?, configuration: ImageConfiguration?) async throws(ImageError) -> [StoredImage]

    /// The image that a reference (`web:1.4.2`, `web@sha256:…` or `sha256:…`) means here.
    func image(_ reference: String) async throws(ImageError) -> StoredImage
    func images() async throws(ImageError) -> [StoredImage]

    /// Takes a name away; content that nothing refers to any more is removed unless `keep` (manifest digests in use) names it.
    func remove(_ reference: String, keep: Set<String>) async throws(ImageError)

    /// Unpacks the layers of a manifest that are not unpacked yet (several in parallel, each once however many ask).
    func unpack(_ digest: String) async throws(ImageError) -> UnpackedImage
}
