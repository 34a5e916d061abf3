import Glibc
import ImageStore
import Testing

struct ExportTests {
    let scratch = Scratch()

    func load(_ store: ImageStore, _ name: String = "web:1") async throws -> StoredImage {
        var image = ImportTests.sample()
        image.name = name
        image.process = #"{"Cmd":["/bin/web"],"ExposedPorts":{"80/tcp":{}},"Healthcheck":{"Test":["NONE"]}}"#
        let path = try scratch.write("layout", TestImage.archive(image.layout))
        return try #require(try await store.importImage(path: path, name: nil, configuration: nil).first)
    }

    @Test func `an exported image comes back the same, here and through skopeo, as layout and as docker archive`() async throws {
        let store = try ImageStore(root: scratch("store"))
        let image = try await load(store)
        _ = try await store.importImage(path: scratch("layout"), name: "registry.example.com/web:2", configuration: nil)
        try await store.exportImages(["web:1", "registry.example.com/web:2"], to: scratch("saved.tar"))
        let other = try ImageStore(root: scratch("other"))
        let back = try await other.importImage(path: scratch("saved.tar"), name: nil, configuration: nil)
        #expect(back.map(\.digest) == [image.digest] && back[0].names == ["registry.example.com/web:2", "web:1"])
        try Command.shell(
            """
            cd \(scratch.path)
            skopeo copy -q --preserve-digests --insecure-policy oci-archive:saved.tar:web:1 oci:from-oci:web:3
            skopeo copy -q --insecure-policy docker-archive:saved.tar:web:1 docker-archive:from-docker.tar:web:4
            """)
        let third = try await other.importImage(path: scratch("from-oci"), name: nil, configuration: nil)
        #expect(third[0].digest == image.digest)
        let fourth = try await other.importImage(path: scratch("from-docker.tar"), name: nil, configuration: nil)
        #expect(fourth[0].configuration == image.configuration)
        let layers = try await other.unpack("web:1").layers
        #expect(try await other.unpack("web:4").layers == layers)
        #expect(scratch.names("").filter { $0.contains("partial") } == [])
    }

    @Test func `an export that fails leaves the file that was there`() async throws {
        let store = try ImageStore(root: scratch("store"))
        let image = try await load(store)
        try scratch.write("saved.tar", [1])
        try Command.shell("printf X >> \(scratch("store/blobs/sha256/" + image.layers[1].dropFirst(7)))")
        await #expect { try await store.exportImages(["web:1"], to: scratch("saved.tar")) } throws: {
            ($0 as? ImageError)?.code == .corrupt
        }
        #expect(try read(scratch("saved.tar")) == [1])
        await #expect { try await store.exportImages(["no:1"], to: scratch("saved.tar")) } throws: {
            ($0 as? ImageError)?.code == .notFound
        }
        #expect(scratch.names("") == ["layout", "saved.tar", "store"])
    }

    @Test func `a container's changes become a layer that gives the same tree again`() async throws {
        try Command.shell("mkdir \(scratch("m")) && mount -t tmpfs none \(scratch("m"))")
        defer { try? Command.run(["umount", "-l", scratch("m")]) }
        let store = try ImageStore(root: scratch("m/store"))
        var base = Tar()
        for path in ["gone", "kept", "changed", "opaque/old", "dir/inner"] { base.add(path, content: Array("base".utf8)) }
        var image = TestImage([base])
        image.process = #"{"Cmd":["/old"],"Healthcheck":{"Test":["NONE"]}}"#
        _ = try await store.importImage(
            path: scratch.write("layout", TestImage.archive(image.layout)), name: nil, configuration: nil)
        let lower = try await store.unpack("web:1").layers[0]
        // The changes are made by the kernel's overlayfs, and what they must give is listed there.
        try Command.shell(
            """
            cd \(scratch("m")); mkdir upper work merged
            cat > run.sh <<END
            set -e
            mount -t overlay -o lowerdir=\(lower),upperdir=upper,workdir=work none merged
            cd merged
            rm gone; echo new > changed; rm -r opaque; mkdir opaque; echo n > opaque/new
            mkdir -m 2775 made; chown 5:6 made; echo x > made/a; ln made/a made/b; ln -s ../kept made/link
            mkfifo made/pipe; mknod made/null c 1 3; truncate -s 1M made/sparse; printf mid | dd of=made/sparse bs=1k seek=500 conv=notrunc status=none
            cp /bin/true made/ping; setcap cap_net_raw+ep made/ping
            python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("made/socket")'
            touch -d @1234.5 made/a
            END
            sed -i 's/^ *//' run.sh
            unshare -m sh -e ./run.sh
            """)
        let commit = try await store.commit(upper: scratch("m/upper"), base: "web:1", name: "web:2", comment: "changed")
        let again = try await store.commit(upper: scratch("m/upper"), base: "web:1", name: "web:3", comment: "changed")
        #expect(commit.digest == again.digest && commit.layers.count == 2)
        #expect(commit.configuration == (try await store.image("web:1").configuration))
        let layers = try await store.unpack("web:2").layers
        try Command.shell(
            """
            cd \(scratch("m")); mkdir work2 upper2 merged2 merged3
            cat > list.sh <<'END'
            list() { (cd "$1"; find . -mindepth 1 ! -type s -printf '%P %y %m %U:%G %n %l %Ts\\n' | sed 's/^\\([^ ]* d .*\\) [0-9]* [0-9 ]*$/\\1/' | LC_ALL=C sort; find . -type f -exec sha256sum {} + | LC_ALL=C sort; getcap -r . 2>/dev/null || /sbin/getcap -r .); }
            END
            unshare -m sh -ec '. ./list.sh
              mount -t overlay -o lowerdir=\(lower),upperdir=upper,workdir=work none merged2
              mount -t overlay -o lowerdir=\(layers.joined(separator: ":")),upperdir=upper2,workdir=work2 none merged3
              list merged2 > want; list merged3 > have'
            diff want have
            grep -q made/null have; grep -q cap_net_raw have; ! grep -q -e gone -e opaque/old have
            """)
        #expect(try status(layers[0] + "/made/sparse").st_blocks < 512)
        let document = try text(
            scratch("m/store/blobs/sha256/" + configurationDigest(of: commit, in: scratch("m/store")).dropFirst(7)))
        #expect(document.contains(#""Healthcheck":{"Test":["NONE"]}"#) && document.contains(#""comment":"changed""#))
    }

    /// Digest of an image's configuration, out of its manifest.
    func configurationDigest(of image: StoredImage, in root: String) throws -> String {
        let manifest = try text(root + "/blobs/sha256/" + image.digest.dropFirst(7))
        let start = try #require(manifest.firstRange(of: "\"config\":{\"digest\":\"")).upperBound
        return String(manifest[start...].prefix(71))
    }
}
