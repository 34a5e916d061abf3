import Glibc
import ImageStore
import Testing

struct ImportTests {
    let scratch = Scratch()

    static func sample() -> TestImage {
        var base = Tar()
        base.directory("bin")
        base.add("bin/web", content: Array("v1".utf8), mode: 0o755)
        return TestImage([base, .file("etc/conf", "x")])
    }

    func store() throws -> ImageStore { try ImageStore(root: scratch("store")) }

    /// Checks what the sample must have become.
    func check(_ store: ImageStore, _ images: [StoredImage], names: [String] = ["web:1"]) async throws {
        let image = try #require(images.first)
        #expect(images.count == 1 && image.names == names)
        #expect(image.configuration.command == ["/bin/web"] && image.configuration.environment == ["A=b"])
        #expect(image.configuration.workingDirectory == "/srv" && image.configuration.user == "7:8")
        #expect(image.configuration.stopSignal == "SIGINT" && image.configuration.labels == ["l": "v"])
        let unpacked = try await store.unpack(image.digest)
        #expect(unpacked.layers.count == 2)
        #expect(try text(unpacked.layers[1] + "/bin/web") == "v1" && text(unpacked.layers[0] + "/etc/conf") == "x")
        #expect(try await store.images() == images)
        #expect(try await store.image(names[0]) == image)
        #expect(try await store.image(image.digest) == image)
    }

    @Test(arguments: ["directory", "tar", "gzip", "zstd", "nested"])
    func `an OCI layout is imported in every form it comes in`(form: String) async throws {
        var image = Self.sample()
        image.nested = form == "nested"
        var path = scratch("layout.bin")
        if form == "directory" {
            path = scratch("layout")
            for (name, content) in image.layout { try scratch.write("layout/" + name, content) }
        } else {
            try scratch.write("layout.bin", TestImage.archive(image.layout))
            if form == "gzip" { try Command.shell("gzip -n \(path) && mv \(path).gz \(path)") }
            if form == "zstd" { try Command.shell("zstd -q --rm \(path) -o \(path).z && mv \(path).z \(path)") }
        }
        let store = try store()
        let images = try await store.importImage(path: path, name: nil, configuration: nil)
        #expect(images.first?.digest == TestImage.digest(image.manifest))
        try await check(store, images)
    }

    @Test func `a docker save archive is imported, its layers found by content`() async throws {
        let store = try store()
        let path = try scratch.write("saved", TestImage.archive(Self.sample().dockerArchive))
        try await check(store, try await store.importImage(path: path, name: nil, configuration: nil))
    }

    @Test func `layers of a docker save archive may be links to one another`() async throws {
        let image = Self.sample()
        var members = image.dockerArchive
        let layer = try #require(members.firstIndex { $0.1 == image.layers[0] })
        let path = members.remove(at: layer).0
        var tar = Tar()
        tar.symlink(path, to: "../shared.tar")
        for (name, content) in members + [("shared.tar", image.layers[0])] { tar.add(name, content: content) }
        let store = try store()
        try scratch.write("saved", tar.finished)
        try await check(store, try await store.importImage(path: scratch("saved"), name: nil, configuration: nil))
    }

    @Test func `what skopeo writes is imported, as oci archive and as docker archive, and is one image`() async throws {
        for (name, content) in Self.sample().layout { try scratch.write("layout/" + name, content) }
        try Command.shell(
            """
            cd \(scratch.path)
            skopeo copy -q --insecure-policy oci:layout:web:1 oci-archive:oci.tar:web:2
            skopeo copy -q --insecure-policy oci:layout:web:1 docker-archive:docker.tar:registry.example.com/web:3
            """)
        let store = try store()
        let oci = try await store.importImage(path: scratch("oci.tar"), name: nil, configuration: nil)
        try await check(store, oci, names: ["web:2"])
        let docker = try await store.importImage(path: scratch("docker.tar"), name: nil, configuration: nil)
        #expect(docker.first?.names == ["registry.example.com/web:3"])
        let layers = try await store.unpack(try #require(docker.first).digest).layers
        #expect(try await store.unpack(try #require(oci.first).digest).layers == layers)
        #expect(scratch.names("store/layers").count == 2)
    }

    @Test(arguments: ["tar", "gzip", "zstd"])
    func `a root file system tarball becomes an image of one layer`(form: String) async throws {
        var configuration = ImageConfiguration()
        configuration.command = ["/hello"]
        configuration.environment = ["PORT=80"]
        var tar = Tar()
        tar.directory("./", mode: 0o750)
        tar.add("./hello", content: Array("hi".utf8), mode: 0o755)
        let path = try scratch.write("root", tar.finished)
        if form == "gzip" { try Command.shell("gzip -n \(path) && mv \(path).gz \(path)") }
        if form == "zstd" { try Command.shell("zstd -q --rm \(path) -o \(path).z && mv \(path).z \(path)") }
        let store = try store()
        let first = try await store.importImage(path: path, name: "hello:1", configuration: configuration)
        let again = try await store.importImage(path: path, name: "docker.io/library/hello:2", configuration: configuration)
        let image = try #require(first.first)
        #expect(again.first?.digest == image.digest && again.first?.names == ["hello:1", "hello:2"])
        #expect(image.configuration == configuration)
        let unpacked = try await store.unpack("hello:2")
        #expect(unpacked.layers.count == 1)
        #expect(try text(unpacked.layers[0] + "/hello") == "hi")
        #expect(try status(unpacked.layers[0]).st_mode & 0o777 == 0o750)
    }

    @Test func `a name given replaces what the archive says, and a layer that comes twice is mounted once`() async throws {
        var image = TestImage([.file("a"), .file("b"), .file("a")])
        image.name = "latest"
        let path = try scratch.write("layout", TestImage.archive(image.layout))
        let store = try store()
        await #expect { try await store.importImage(path: path, name: nil, configuration: nil) } throws: {
            ($0 as? ImageError)?.code == .invalidReference
        }
        let imported = try await store.importImage(path: path, name: "registry:5000/team/web", configuration: nil)
        #expect(imported.first?.names == ["registry:5000/team/web:latest"])
        #expect(imported.first?.layers.count == 3)
        #expect(try await store.unpack("registry:5000/team/web").layers.count == 2)
    }

    @Test func `a new image under an old name leaves the old one reachable by digest until something is removed`() async throws {
        let store = try store()
        let old = try #require(
            try await store.importImage(
                path: scratch.write("1", Tar.file("v", "1").finished), name: "web", configuration: nil
            ).first)
        let new = try #require(
            try await store.importImage(
                path: scratch.write("2", Tar.file("v", "2").finished), name: "web", configuration: nil
            ).first)
        #expect(try await store.image("web").digest == new.digest)
        #expect(try text(try await store.unpack(old.digest).layers[0] + "/v") == "1")
        #expect(try await store.images().map(\.names) == [[], ["web:latest"]])
    }
}
