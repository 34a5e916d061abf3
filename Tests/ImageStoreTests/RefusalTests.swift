import ImageStore
import Testing

/// What must not get in, and that nothing of it stays.
struct RefusalTests {
    let scratch = Scratch()

    /// Imports a good image, then the bad source, and checks that only the bad one is refused.
    func refuse(_ source: [UInt8], _ code: ImageError.Code, saying words: [String] = [], name: String? = nil) async throws {
        let store = try ImageStore(root: scratch("store"))
        let good = try await store.importImage(
            path: scratch.write("good", Tar.file("kept", "kept").finished), name: "good:1", configuration: nil)
        let content = (scratch.names("store/blobs/sha256"), scratch.names("store/layers"))
        let path = try scratch.write("bad", source)
        do {
            _ = try await store.importImage(path: path, name: name, configuration: nil)
            Issue.record("was imported")
        } catch {
            #expect(error.code == code, "\(error)")
            for word in words { #expect(error.description.contains(word), "\(error)") }
        }
        #expect(try await store.images() == good)
        #expect((scratch.names("store/blobs/sha256"), scratch.names("store/layers")) == content)
        #expect(scratch.names("store/tmp").flatMap { scratch.names("store/tmp/" + $0) } == ["lock"])
        #expect(try text(try await store.unpack("good:1").layers[0] + "/kept") == "kept")
    }

    // MARK: Members

    struct Hostile: CustomTestStringConvertible, Sendable {
        var name: String
        var words: [String]
        var code = ImageError.Code.unsafeMember
        var build: @Sendable (inout Tar) -> Void
        var testDescription: String { name }
    }

    static let hostile: [Hostile] = [
        Hostile(name: "absolute path", words: ["‘/etc/passwd’", "absolute"]) { $0.add("/etc/passwd") },
        Hostile(name: "climbing path", words: ["‘../evil’", "climbs"]) { $0.add("../evil") },
        Hostile(name: "climbing in the middle", words: ["‘a/../../evil’"]) { $0.add("a/../../evil") },
        Hostile(name: "climbing directory", words: ["‘..’"]) { $0.directory("..") },
        Hostile(name: "through a climbing link", words: ["‘out/evil’", "leads out"]) {
            $0.symlink("out", to: "../../../../tmp")
            $0.add("out/evil")
        },
        Hostile(name: "through two links", words: ["‘b/evil’", "leads out"]) {
            $0.directory("d")
            $0.symlink("d/a", to: "../..")
            $0.symlink("b", to: "d/a")
            $0.add("b/evil")
        },
        Hostile(name: "through an absolute link to nothing here", words: ["‘out/evil’", "nowhere"]) {
            $0.symlink("out", to: "/tmp/sk-elsewhere")
            $0.add("out/evil")
        },
        Hostile(name: "through a loop", words: ["‘a/evil’", "too many"]) {
            $0.symlink("a", to: "b")
            $0.symlink("b", to: "a")
            $0.add("a/evil")
        },
        Hostile(name: "below a file", words: ["‘a/evil’"]) {
            $0.add("a")
            $0.add("a/evil")
        },
        Hostile(name: "hard link outside", words: ["‘a’", "‘../../etc/passwd’"]) { $0.hardlink("a", to: "../../etc/passwd") },
        Hostile(name: "hard link to an absolute path", words: ["‘a’", "‘/etc/passwd’"]) { $0.hardlink("a", to: "/etc/passwd") },
        Hostile(name: "hard link through a link", words: ["‘out/passwd’", "leads out"]) {
            $0.symlink("out", to: "../../../../etc")
            $0.hardlink("a", to: "out/passwd")
        },
        Hostile(name: "hard link to nothing", words: ["‘a’", "‘b’", "not in this layer"]) { $0.hardlink("a", to: "b") },
        Hostile(name: "hard link to itself", words: ["‘a’"]) {
            $0.add("a")
            $0.hardlink("a", to: "./a")
        },
        Hostile(name: "whiteout of the parent", words: ["‘.wh...’"]) { $0.add(".wh...") },
        Hostile(name: "whiteout of nothing", words: ["‘d/.wh.’"]) { $0.add("d/.wh.") },
        Hostile(name: "whiteout through a link", words: ["leads out"]) {
            $0.symlink("out", to: "../..")
            $0.add("out/.wh.etc")
        },
        Hostile(name: "opaque marker through a link", words: ["leads out"]) {
            $0.symlink("out", to: "..")
            $0.add("out/.wh..wh..opq")
        },
        Hostile(name: "file as root", words: ["root"]) { $0.add(".") },
        Hostile(name: "symbolic link as root", words: ["root"]) { $0.symlink(".", to: "/etc") },
        Hostile(name: "a path too long", words: ["4095"], code: .tooLarge) {
            $0.add("x", pax: [("path", Array(String(repeating: "d/", count: 2500).utf8))])
        },
        Hostile(name: "too deep", words: ["256"], code: .tooLarge) {
            $0.add("x", pax: [("path", Array(String(repeating: "d/", count: 256).utf8) + [0x78])])
        },
        Hostile(name: "a file of more than all bytes", words: ["‘huge’"], code: .tooLarge) {
            $0.add(
                "huge", content: Array("1\n9000000000000000000\n0\n".utf8) + [UInt8](repeating: 0, count: 512 - 24),
                pax: [
                    ("GNU.sparse.major", [0x31]), ("GNU.sparse.minor", [0x30]), ("GNU.sparse.name", Array("huge".utf8)),
                    ("GNU.sparse.realsize", Array("9000000000000000000".utf8)),
                ])
        },
        Hostile(name: "a name too long", words: ["255"]) {
            $0.add("x", pax: [("path", Array(String(repeating: "n", count: 256).utf8))])
        },
    ]

    @Test(arguments: hostile)
    func `a member that reaches out of its layer is refused by name`(hostile: Hostile) async throws {
        var tar = Tar()
        tar.add("first")
        hostile.build(&tar)
        try await refuse(tar.finished, hostile.code, saying: hostile.words, name: "bad:1")
        try await refuse(TestImage.archive(TestImage([.file("base"), tar]).layout), hostile.code, saying: hostile.words)
    }

    @Test func `a link may be replaced by what comes after it, and is never written through`() async throws {
        try scratch.write("outside/victim", Array("untouched".utf8))
        var tar = Tar()
        tar.symlink("victim", to: scratch("outside/victim"))
        tar.add("victim", content: Array("new".utf8))
        tar.symlink("dir", to: scratch("outside"))
        tar.directory("dir", mode: 0o700)
        tar.add("dir/victim", content: Array("inner".utf8))
        let store = try ImageStore(root: scratch("store"))
        _ = try await store.importImage(path: scratch.write("root", tar.finished), name: "a", configuration: nil)
        let root = try await store.unpack("a").layers[0]
        #expect(try text(root + "/victim") == "new" && text(root + "/dir/victim") == "inner")
        #expect(try text(scratch("outside/victim")) == "untouched")
        #expect(scratch.names("outside") == ["victim"])
    }

    // MARK: Archives

    @Test func `a blob that is not what its name says is refused`() async throws {
        let image = ImportTests.sample()
        for spoilt in image.layout.indices where image.layout[spoilt].0.hasPrefix("blobs/") {
            var members = image.layout
            members[spoilt].1[members[spoilt].1.count / 2] ^= 1
            try await refuse(
                TestImage.archive(members), .digestMismatch,
                saying: [image.layout[spoilt].0.split(separator: "/").last.map(String.init) ?? ""])
        }
        var members = image.dockerArchive
        let configuration = try #require(members.firstIndex { $0.1 == image.configuration })
        members[configuration].1.append(0x20)
        try await refuse(TestImage.archive(members), .digestMismatch)
    }

    @Test func `an image that lies about a layer which is here already is refused`() async throws {
        let store = try ImageStore(root: scratch("store"))
        let honest = TestImage([.file("honest")])
        let images = try await store.importImage(
            path: scratch.write("honest", TestImage.archive(honest.layout)), name: nil, configuration: nil)
        var liar = TestImage([.file("liar")])
        liar.name = "liar:1"
        liar.diffIDs = honest.layers.map(TestImage.digest)
        let path = try scratch.write("liar", TestImage.archive(liar.layout))
        await #expect { try await store.importImage(path: path, name: nil, configuration: nil) } throws: {
            ($0 as? ImageError)?.code == .digestMismatch
        }
        #expect(try await store.images() == images)
    }

    @Test func `a root file system cut between two members is refused`() async throws {
        let tar = Tar.file("whole")
        try await refuse(tar.bytes, .truncated, name: "bad:1")
        try await refuse(tar.bytes + [UInt8](repeating: 0, count: 512), .truncated, name: "bad:1")
    }

    @Test func `layers that do not match the configuration's diff ids are refused`() async throws {
        var image = ImportTests.sample()
        image.diffIDs = image.layers.reversed().map(TestImage.digest)
        try await refuse(TestImage.archive(image.layout), .digestMismatch, saying: ["unpacks to"])
        try await refuse(TestImage.archive(image.dockerArchive), .digestMismatch, saying: ["unpacks to"])
        image.diffIDs = [TestImage.digest(image.layers[0])]
        try await refuse(TestImage.archive(image.layout), .corrupt, saying: ["2 layers"])
    }

    @Test(arguments: ["layout", "docker", "root", "root.gz", "root.zst"])
    func `a truncated archive is refused wherever it ends`(kind: String) async throws {
        let image = ImportTests.sample()
        var whole: [UInt8]
        switch kind {
        case "layout": whole = TestImage.archive(image.layout)
        case "docker": whole = TestImage.archive(image.dockerArchive)
        default:
            var random = Tar()
            for index in 0..<8 {
                random.add("file\(index)", content: (0..<3000).map { _ in UInt8.random(in: 0...255) })
            }
            whole = random.finished
            try scratch.write("whole", whole)
            if kind == "root.gz" { try Command.shell("gzip -nk \(scratch("whole"))"); whole = try read(scratch("whole.gz")) }
            if kind == "root.zst" { try Command.shell("zstd -q \(scratch("whole"))"); whole = try read(scratch("whole.zst")) }
        }
        let cuts = kind.hasPrefix("root") ? [whole.count / 3, whole.count - 2000] : [512 + 100, 3 * 512 + 7, whole.count - 3000]
        for cut in cuts { try await refuse(Array(whole[..<cut]), .truncated, name: kind.hasPrefix("root") ? "bad:1" : nil) }
    }

    @Test func `an image archive that lacks a blob is refused as truncated`() async throws {
        let image = ImportTests.sample()
        for missing in image.layout.indices where image.layout[missing].0.hasPrefix("blobs/") {
            var members = image.layout
            members.remove(at: missing)
            try await refuse(TestImage.archive(members), .truncated)
        }
        try await refuse(TestImage.archive(image.layout.filter { $0.0 != "index.json" }), .truncated)
        var docker = image.dockerArchive
        docker.removeAll { $0.0.hasSuffix("layer.tar") }
        try await refuse(TestImage.archive(docker), .truncated)
    }

    @Test func `what this host cannot run or read is refused as unsupported`() async throws {
        var image = ImportTests.sample()
        image.layerType = "application/vnd.example.layer"
        try await refuse(TestImage.archive(image.layout), .unsupportedFormat, saying: ["application/vnd.example.layer"])
        image = ImportTests.sample()
        image.platform = ("linux", "s390x")
        try await refuse(TestImage.archive(image.layout), .unsupportedFormat, saying: ["linux/s390x"])
        image.nested = true
        try await refuse(TestImage.archive(image.layout), .unsupportedFormat, saying: ["linux/s390x"])
        try await refuse(
            Array("no archive at all, but quite long enough to be one if it were".utf8), .unsupportedFormat, name: "bad:1")
        try await refuse([], .unsupportedFormat, name: "bad:1")
        try await refuse(Tar.file("root").finished, .invalidReference)
        try await refuse(Tar.file("root").finished, .invalidReference, name: "BAD:1")
    }

    @Test func `a layer beyond the limits is refused`() async throws {
        var limits = ImageLimits()
        limits.members = 3
        limits.layerBytes = 100_000
        let store = try ImageStore(root: scratch("store"), limits: limits)
        var many = Tar()
        for index in 0..<4 { many.add("f\(index)") }
        var big = Tar()
        big.add("zeros", content: [UInt8](repeating: 0, count: 200_000))
        for (name, tar) in [("many", many), ("big", big)] {
            let path = try scratch.write(name, tar.finished)
            if name == "big" { try Command.shell("gzip -n \(path) && mv \(path).gz \(path)") }
            await #expect { try await store.importImage(path: path, name: "a", configuration: nil) } throws: {
                ($0 as? ImageError)?.code == .tooLarge
            }
        }
        #expect(scratch.names("store/layers").isEmpty && scratch.names("store/blobs/sha256").isEmpty)
    }

    @Test func `a full disk is said so, and leaves what was there`() async throws {
        try Command.shell("mkdir \(scratch("small")) && mount -t tmpfs -o size=2m none \(scratch("small"))")
        defer { try? Command.run(["umount", "-l", scratch("small")]) }
        let store = try ImageStore(root: scratch("small/store"))
        let good = try await store.importImage(
            path: scratch.write("good", Tar.file("kept", "kept").finished), name: "good:1", configuration: nil)
        var tar = Tar()
        tar.add("random", content: (0..<1_500_000).map { _ in UInt8.random(in: 0...255) })
        let path = try scratch.write("bad", tar.finished)
        await #expect { try await store.importImage(path: path, name: "bad:1", configuration: nil) } throws: {
            ($0 as? ImageError)?.code == .noSpace
        }
        #expect(try await store.images() == good)
        #expect(scratch.names("small/store/layers").count == 1)
        #expect(scratch.names("small/store/tmp").flatMap { scratch.names("small/store/tmp/" + $0) } == ["lock"])
    }
}
