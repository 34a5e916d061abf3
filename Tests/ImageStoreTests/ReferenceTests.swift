import ImageStore
import Testing

struct ReferenceTests {
    static let digest = "sha256:" + String(repeating: "0a", count: 32)

    @Test(arguments: [
        ("web", "web:latest"), ("web:1.4.2", "web:1.4.2"), ("team/web", "team/web:latest"),
        ("docker.io/library/web:1", "web:1"), ("docker.io/team/web:1", "team/web:1"),
        ("index.docker.io/library/web", "web:latest"),
        ("localhost/web:1", "localhost/web:1"), ("localhost:5000/web:A_b-c.D", "localhost:5000/web:A_b-c.D"),
        ("Registry.example.com/a__b/c--d/e.f", "Registry.example.com/a__b/c--d/e.f:latest"),
        ("web@\(digest)", "web@\(digest)"), ("web:1@\(digest)", "web:1@\(digest)"), (digest, digest),
    ])
    func `a reference has one normal form`(text: String, normal: String) throws {
        #expect(try ImageReference(text).description == normal)
        #expect(try ImageReference(normal).description == normal)
    }

    @Test(arguments: [
        "", ":1", "Web", "web:", "web:.1", "web:a b", "web/", "/web", "a//b", "-web", "web-", "a.-b", "a___b", "web@sha256:12",
        "web@md5:00", "sha256:12", "web:1:2", "UPPER/web", "a..b/web", "host:port/web",
        "web:" + String(repeating: "t", count: 129),
        String(repeating: "n", count: 256), "wéb", "..", "../web",
    ])
    func `what is no reference is refused`(text: String) {
        #expect(throws: ImageError.self) { try ImageReference(text) }
    }
}
