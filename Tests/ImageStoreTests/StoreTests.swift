import Glibc
import ImageStore
import Testing

/// The store among several users, crashes and failing disks.
struct StoreTests {
    let scratch = Scratch()

    func layout(_ name: String, _ layers: [Tar]) throws -> String {
        var image = TestImage(layers)
        image.name = name
        return try scratch.write("layout-" + name, TestImage.archive(image.layout))
    }

    func bulk(_ seed: Int, members: Int = 200) -> Tar {
        var tar = Tar()
        for index in 0..<members { tar.add("dir\(index % 7)/\(seed)-\(index)", content: Array("\(seed) \(index)".utf8)) }
        return tar
    }

    @Test func `two stores on one root, many tasks at once, import and unpack each thing once`() async throws {
        let root = scratch("store")
        let stores = [try ImageStore(root: root, workers: 3), try ImageStore(root: root, workers: 3)]
        let shared = bulk(0)
        let paths = try (1...4).map { try layout("web:\($0)", [shared, bulk($0)]) }
        try await withThrowingTaskGroup(of: [String].self) { group in
            for round in 0..<24 {
                group.addTask {
                    let store = stores[round % 2]
                    let images = try await store.importImage(path: paths[round % 4], name: nil, configuration: nil)
                    async let first = store.unpack(images[0].digest)
                    async let second = stores[(round + 1) % 2].unpack("web:\(round % 4 + 1)")
                    let layers = try await (first.layers, second.layers)
                    #expect(layers.0 == layers.1)
                    return layers.0
                }
            }
            var tops: Set<String> = []
            var bottoms: Set<String> = []
            for try await layers in group {
                tops.insert(layers[0])
                bottoms.insert(layers[1])
            }
            #expect(tops.count == 4 && bottoms.count == 1)
        }
        #expect(scratch.names("store/layers").count == 5)
        #expect(try await stores[0].images().flatMap(\.names) == (1...4).map { "web:\($0)" })
        for name in scratch.names("store/layers") {
            #expect(scratch.names("store/layers/" + name).count == 7)
        }
        #expect(scratch.names("store/tmp").allSatisfy { scratch.names("store/tmp/" + $0) == ["lock"] })
        #expect(try await stores[1].verify() == [])
    }

    @Test func `importing, unpacking and removing at once never removes what is named`() async throws {
        let root = scratch("store")
        let stores = [try ImageStore(root: root), try ImageStore(root: root)]
        let base = bulk(0, members: 40)
        let paths = try (1...3).map { try layout("web:\($0)", [base, bulk($0, members: 20)]) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<3 {
                group.addTask {
                    for round in 0..<8 {
                        let store = stores[(worker + round) % 2]
                        _ = try await store.importImage(path: paths[worker], name: nil, configuration: nil)
                        let unpacked = try await store.unpack("web:\(worker + 1)")
                        for layer in unpacked.layers { #expect(try status(layer).st_mode & S_IFMT == S_IFDIR) }
                        if round < 7 { try await stores[round % 2].remove("web:\(worker + 1)", keep: []) }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await stores[0].images().flatMap(\.names) == ["web:1", "web:2", "web:3"])
        #expect(scratch.names("store/layers").count == 4)
        #expect(try await stores[0].verify() == [])
    }

    @Test func `removing takes content that nothing else needs, and leaves what is kept`() async throws {
        let store = try ImageStore(root: scratch("store"))
        let base = bulk(0)
        for name in ["web:1", "web:2"] {
            _ = try await store.importImage(
                path: layout(name, [base, bulk(name == "web:1" ? 1 : 2)]), name: nil, configuration: nil)
        }
        let second = try await store.image("web:2").digest
        try await store.remove("web:1", keep: [])
        #expect(scratch.names("store/layers").count == 2 && scratch.names("store/blobs/sha256").count == 4)
        await #expect { try await store.image("web:1") } throws: { ($0 as? ImageError)?.code == .notFound }
        await #expect { try await store.remove(second, keep: [second]) } throws: { ($0 as? ImageError)?.code == .inUse }
        try await store.remove("web:2", keep: [second])
        let left = try await store.images()
        #expect(left.map(\.digest) == [second] && left[0].names == [])
        #expect(try await store.unpack(second).layers.count == 2)
        // Still there for a store opened later, and gone with the first removal that does not keep it.
        #expect(try await ImageStore(root: scratch("store")).image(second).digest == second)
        try await store.remove(second, keep: [])
        #expect(scratch.names("store/layers").isEmpty && scratch.names("store/blobs/sha256").isEmpty)
        await #expect { try await store.remove("web:2", keep: []) } throws: { ($0 as? ImageError)?.code == .notFound }
    }

    @Test func `what a crash left is gone at the next opening, what another store is making stays`() async throws {
        let root = scratch("store")
        let living = try ImageStore(root: root)
        let image = try await living.importImage(path: layout("web:1", [bulk(1)]), name: nil, configuration: nil)
        let own = scratch.names("store/tmp")
        try Command.shell(
            """
            cd \(root); mkdir -p tmp/dead/layer-1/etc tmp/dead2; touch tmp/dead/lock tmp/dead/layer-1/etc/passwd
            python3 -c "import os
            for n in range(1500): os.mkdir('tmp/dead2/' * (n == 0) + 'd'); os.chdir('tmp/dead2/' * (n == 0) + 'd')"
            mkdir -p layers/\(String(repeating: "a", count: 64))/bin; echo x > blobs/sha256/\(String(repeating: "b", count: 64))
            """)
        let next = try ImageStore(root: root)
        #expect(scratch.names("store/tmp").count == 2 && Set(own).isSubset(of: scratch.names("store/tmp")))
        #expect(scratch.names("store/layers").count == 1 && scratch.names("store/blobs/sha256").count == 3)
        #expect(try await next.images() == image)
    }

    @Test func `damage on disk is found, told, and repaired by importing again`() async throws {
        let store = try ImageStore(root: scratch("store"))
        let paths = [try layout("web:1", [bulk(0), bulk(1)]), try layout("web:2", [bulk(0), bulk(2)])]
        for path in paths { _ = try await store.importImage(path: path, name: nil, configuration: nil) }
        #expect(try await store.verify() == [])
        let (first, second) = (try await store.image("web:1"), try await store.image("web:2"))
        func path(_ digest: String) -> String { scratch("store/blobs/sha256/" + digest.dropFirst(7)) }
        try Command.shell(
            "printf X | dd of=\(path(first.layers[0])) bs=1 seek=600 conv=notrunc status=none; rm \(path(second.layers[1]))")
        let expected = [
            ImageDamage(digest: first.layers[0], kind: .altered, images: ["web:1", "web:2"]),
            ImageDamage(digest: second.layers[1], kind: .missing, images: ["web:2"]),
        ].sorted { $0.digest < $1.digest }
        #expect(try await store.verify() == expected)
        #expect(try await store.verify(repair: true) == expected)
        for path in paths { _ = try await store.importImage(path: path, name: nil, configuration: nil) }
        #expect(try await store.verify() == [])
    }

    @Test func `a manifest damaged on disk is said so, and its image can be removed`() async throws {
        let store = try ImageStore(root: scratch("store"))
        let image = try #require(
            try await store.importImage(path: layout("web:1", [bulk(1)]), name: nil, configuration: nil).first)
        try Command.shell("echo damage > \(scratch("store/blobs/sha256/" + image.digest.dropFirst(7)))")
        await #expect { try await store.unpack("web:1") } throws: { ($0 as? ImageError)?.code == .corrupt }
        #expect(try await store.verify().map(\.kind) == [.altered])
        try await store.remove("web:1", keep: [])
        #expect(try await store.images() == [])
        #expect(scratch.names("store/blobs/sha256").isEmpty)
    }

    @Test func `a layer that an earlier boot may have left half on disk is unpacked again`() async throws {
        let store = try ImageStore(root: scratch("store"))
        _ = try await store.importImage(path: layout("web:1", [bulk(1), bulk(2)]), name: nil, configuration: nil)
        try await store.synchronize()
        #expect(scratch.names("store/settling") == [])
        let layers = try await store.unpack("web:1").layers
        // What a loss of power leaves: the directory with empty files, and the mark of the boot it was unpacked in.
        let name = try #require(layers[0].split(separator: "/").last)
        try Command.shell(
            """
            find \(layers[0]) -type f -exec truncate -s 0 {} +
            touch \(scratch("store/settling/\(name).00000000-0000-0000-0000-000000000000"))
            """)
        let next = try ImageStore(root: scratch("store"))
        #expect(scratch.names("store/layers").count == 1 && scratch.names("store/settling") == [])
        #expect(try await next.unpack("web:1").layers == layers)
        #expect(try text(layers[0] + "/dir3/2-3") == "2 3")
    }
}
