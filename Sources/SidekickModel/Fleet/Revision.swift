/// One immutable, numbered version of a service's spec.
package struct Revision: Hashable, Sendable, Codable {
    package var service: String
    /// From 1, rising by one with each change of the service's spec; never used twice.
    package var number: Int
    package var spec: ServiceSpec
    /// Digest (`sha256:…`) of the image manifest that `spec.image` meant when the revision was made.
    package var imageDigest: String
    /// Wall clock.
    package var createdAt: Instant
    /// Why it exists, such as `apply` or `undo to 3`.
    package var cause: String

    package init(service: String, number: Int, spec: ServiceSpec, imageDigest: String, createdAt: Instant, cause: String) {
        self.service = service
        self.number = number
        self.spec = spec
        self.imageDigest = imageDigest
        self.createdAt = createdAt
        self.cause = cause
    }
}
