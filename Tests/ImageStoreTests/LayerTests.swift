import Glibc
import ImageStore
import LinuxShims
import Testing

/// What unpacking makes of each kind of member.
struct LayerTests {
    let scratch = Scratch()

    /// Imports a root file system of these members and gives its directory.
    func unpack(_ tar: Tar) async throws -> String {
        let store = try ImageStore(root: scratch("store"))
        _ = try await store.importImage(path: scratch.write("root", tar.finished), name: "test", configuration: nil)
        return try await store.unpack("test").layers[0]
    }

    func attribute(_ path: String, _ name: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = lgetxattr(path, name, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    @Test func `owner, mode and time of every kind of member are kept`() async throws {
        var tar = Tar()
        tar.add("dir/", type: "5", mode: 0o2750, owner: 10, group: 20, modified: 1_111)
        tar.add("dir/suid", content: Array("x".utf8), mode: 0o4711, owner: 30, group: 40, modified: 2_222)
        tar.add("dir/link", type: "2", link: "/anywhere", mode: 0o777, owner: 50, group: 60, modified: 3_333)
        tar.add("dir/fifo", type: "6", mode: 0o620, owner: 70, group: 80, modified: 4_444)
        tar.add("dir/null", type: "3", mode: 0o666, modified: 5_555, device: (1, 3))
        tar.add("dir/disk", type: "4", mode: 0o660, modified: 6_666, device: (8, 17))
        let root = try await unpack(tar)
        let expected: [(String, mode_t, uid_t, gid_t, Int)] = [
            ("dir", S_IFDIR | 0o2750, 10, 20, 1_111), ("dir/suid", S_IFREG | 0o4711, 30, 40, 2_222),
            ("dir/link", S_IFLNK | 0o777, 50, 60, 3_333), ("dir/fifo", S_IFIFO | 0o620, 70, 80, 4_444),
            ("dir/null", S_IFCHR | 0o666, 0, 0, 5_555), ("dir/disk", S_IFBLK | 0o660, 0, 0, 6_666),
        ]
        for (name, mode, owner, group, time) in expected {
            let found = try status(root + "/" + name)
            #expect((found.st_mode, found.st_uid, found.st_gid, found.st_mtim.tv_sec) == (mode, owner, group, time), "\(name)")
        }
        #expect(try status(root + "/dir/null").st_rdev == 1 << 8 | 3)
        #expect(try status(root + "/dir/disk").st_rdev == 8 << 8 | 17)
    }

    @Test func `whiteouts and opaque directories take overlayfs's form, and hide lower layers when mounted`() async throws {
        var lower = Tar()
        for path in ["gone", "kept", "opaque/old", "replaced/old", "shadow/old"] { lower.add(path, content: Array("lower".utf8)) }
        var upper = Tar()
        upper.add(".wh.gone")
        upper.add("opaque/.wh..wh..opq")
        upper.add("opaque/new", content: Array("upper".utf8))
        // A directory taken away and made anew in one layer, in either order, shows nothing of the lower one.
        upper.add(".wh.replaced")
        upper.add("replaced/new", content: Array("upper".utf8))
        upper.add("shadow/new", content: Array("upper".utf8))
        upper.add(".wh.shadow")
        upper.add(".wh..wh.plnk")
        var image = TestImage([lower, upper])
        image.name = "test:1"
        // tmpfs: an overlay's lower layers may be on any file system, its upper directory not on overlayfs.
        try Command.shell("mkdir \(scratch("m")) && mount -t tmpfs none \(scratch("m"))")
        defer { try? Command.run(["umount", "-l", scratch("m")]) }
        let store = try ImageStore(root: scratch("m/store"))
        _ = try await store.importImage(
            path: scratch.write("layout", TestImage.archive(image.layout)), name: nil, configuration: nil)
        let layers = try await store.unpack("test:1").layers
        let gone = try status(layers[0] + "/gone")
        #expect(gone.st_mode & S_IFMT == S_IFCHR && gone.st_rdev == 0)
        #expect(attribute(layers[0] + "/opaque", "trusted.overlay.opaque") == "y")
        try Command.shell(
            """
            mkdir \(scratch("m/upper")) \(scratch("m/work")) \(scratch("m/merged"))
            unshare -m sh -ec 'mount -t overlay -o lowerdir=\(layers.joined(separator: ":")),upperdir=\(scratch("m/upper")),workdir=\(scratch("m/work")) none \(scratch("m/merged"))
              cd \(scratch("m/merged")); find . -type f | sort > \(scratch("seen"))'
            """)
        #expect(try text(scratch("seen")) == "./kept\n./opaque/new\n./replaced/new\n./shadow/new\n")
    }

    @Test func `hard links share their file, also through links inside the layer`() async throws {
        var tar = Tar()
        tar.directory("usr/lib")
        tar.symlink("lib", to: "/usr/lib")
        tar.add("lib/a", content: Array("one".utf8))
        tar.hardlink("b", to: "usr/lib/a")
        tar.hardlink("usr/c", to: "lib/a")
        let root = try await unpack(tar)
        let inode = try status(root + "/usr/lib/a").st_ino
        #expect(try status(root + "/b").st_ino == inode && status(root + "/usr/c").st_ino == inode)
        #expect(try text(root + "/b") == "one")
    }

    @Test func `extended attributes are kept, but for those that steer overlayfs`() async throws {
        var tar = Tar()
        tar.add(
            "f", content: [1],
            pax: [
                ("SCHILY.xattr.user.a", Array("1".utf8)), ("SCHILY.xattr.trusted.overlay.redirect", Array("/x".utf8)),
                ("SCHILY.xattr.trusted.t", Array("2".utf8)),
            ])
        tar.add("d", type: "5", pax: [("SCHILY.xattr.user.a", Array("3".utf8))])
        // cap_net_raw+ep, as `setcap` writes it (linux/capability.h, vfs_cap_data revision 2).
        let capability: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        tar.add("ping", content: [1], owner: 5, pax: [("SCHILY.xattr.security.capability", capability)])
        let root = try await unpack(tar)
        #expect(attribute(root + "/f", "user.a") == "1" && attribute(root + "/d", "user.a") == "3")
        #expect(attribute(root + "/f", "trusted.t") == "2" && attribute(root + "/f", "trusted.overlay.redirect") == nil)
        var stored = [UInt8](repeating: 0, count: 64)
        #expect(lgetxattr(root + "/ping", "security.capability", &stored, 64) == 20)
        #expect(Array(stored[..<20]) == capability)
    }

    @Test func `names that are not ASCII, long names and far times come through`() async throws {
        let long = String(repeating: "d", count: 120) + "/" + String(repeating: "f", count: 200)
        var tar = Tar()
        tar.add("x", content: Array("1".utf8), pax: [("path", Array("Főtanúsítvány.crt".utf8))])
        tar.add("y", content: Array("2".utf8), pax: [("path", Array(long.utf8)), ("mtime", Array("5000000000.25".utf8))])
        let root = try await unpack(tar)
        #expect(try text(root + "/Főtanúsítvány.crt") == "1" && text(root + "/" + long) == "2")
        let time = try status(root + "/" + long).st_mtim
        #expect(time.tv_sec == 5_000_000_000 && time.tv_nsec == 250_000_000)
    }

    @Test func `what GNU tar packs is what is unpacked, sparse files with their holes`() async throws {
        try Command.shell(
            """
            mkdir -p \(scratch("tree/a/b")); cd \(scratch("tree"))
            truncate -s 8M sparse; printf start | dd of=sparse conv=notrunc status=none
            printf middle | dd of=sparse bs=1M seek=4 conv=notrunc status=none
            printf 'caf\\351' > "$(printf 'latin\\351')"; ln -s ../../etc a/up; ln sparse a/b/hard; chmod 1777 a; chown 3:4 a/b
            tar --sparse --format=pax --xattrs -czf \(scratch("tree.tar.gz")) .
            """)
        let store = try ImageStore(root: scratch("store"))
        _ = try await store.importImage(path: scratch("tree.tar.gz"), name: "tree", configuration: nil)
        let root = try await store.unpack("tree").layers[0]
        try Command.shell(
            """
            list() { (cd "$1"; find . -printf '%P %y %m %U:%G %s %T@ %l\\n' | LC_ALL=C sort; find . -type f -exec sha256sum {} + | LC_ALL=C sort); }
            list \(scratch("tree")) > \(scratch("want")); list \(root) > \(scratch("have")); diff \(scratch("want")) \(scratch("have"))
            """)
        #expect(try status(root + "/sparse").st_blocks < 1024)
    }

    @Test func `implicit parents are made, and a later member of a name replaces an earlier one`() async throws {
        var tar = Tar()
        tar.add("a/b/c", content: Array("1".utf8))
        tar.add("a/b", content: Array("now a file".utf8))
        tar.add("d", content: Array("file".utf8))
        tar.add("d/", type: "5", mode: 0o711)
        tar.add("d/e", content: Array("2".utf8))
        tar.add("d/e", content: Array("3".utf8))
        let root = try await unpack(tar)
        #expect(try text(root + "/a/b") == "now a file" && text(root + "/d/e") == "3")
        #expect(try status(root + "/a").st_mode == S_IFDIR | 0o755 && status(root + "/d").st_mode == S_IFDIR | 0o711)
    }
}
