import SidekickModel
import Testing

struct VolumeTests {
    private static func volume(
        name: String? = nil, host: String? = nil, tmpfs: ByteCount? = nil, at path: String = "/data", readOnly: Bool = false
    ) -> VolumeSpec {
        var volume = VolumeSpec()
        volume.name = name
        volume.host = host
        volume.tmpfs = tmpfs
        volume.path = path
        volume.readOnly = readOnly
        return volume
    }

    private static func spec(_ volumes: [VolumeSpec]) -> ServiceSpec {
        var spec = ServiceSpec(service: "db", image: "db:1")
        spec.volumes = volumes
        return spec
    }

    @Test func `named, host and tmpfs volumes may stand together`() {
        let spec = Self.spec([
            Self.volume(name: "data", at: "/var/lib/db"), Self.volume(name: "data", at: "/backup", readOnly: true),
            Self.volume(host: "/etc/ssl", at: "/etc/ssl", readOnly: true), Self.volume(host: "/srv/a b", at: "/srv"),
            Self.volume(tmpfs: .mebibytes(64), at: "/scratch"), Self.volume(tmpfs: .mebibytes(1), at: "/dev/shm"),
            Self.volume(name: "Db_1.x", at: "/var/lib/db/inner"),
        ])
        #expect(spec.issues().isEmpty, "\(spec.issues())")
        #expect(Self.spec([]).issues().isEmpty)
    }

    static let wrong: [(VolumeSpec, String)] = [
        (volume(), "volumes[0]"), (volume(name: "a", host: "/srv"), "volumes[0]"),
        (volume(name: "a", tmpfs: .mebibytes(1)), "volumes[0]"),
        (volume(name: ""), "volumes[0].name"), (volume(name: "a/b"), "volumes[0].name"),
        (volume(name: ".a"), "volumes[0].name"), (volume(name: "/srv"), "volumes[0].name"),
        (volume(name: String(repeating: "a", count: 65)), "volumes[0].name"),
        (volume(host: "srv"), "volumes[0].host"), (volume(host: "/"), "volumes[0].host"),
        (volume(host: "/srv/../etc"), "volumes[0].host"), (volume(host: "/srv/"), "volumes[0].host"),
        (volume(host: "/srv//a"), "volumes[0].host"), (volume(host: "/srv/./a"), "volumes[0].host"),
        (volume(host: "/srv/\0"), "volumes[0].host"), (volume(host: "/srv/\n"), "volumes[0].host"),
        (volume(tmpfs: ByteCount(1)), "volumes[0].tmpfs"),
        (volume(tmpfs: .mebibytes(1), readOnly: true), "volumes[0].readOnly"),
        (volume(name: "a", at: ""), "volumes[0].path"), (volume(name: "a", at: "/"), "volumes[0].path"),
        (volume(name: "a", at: "data"), "volumes[0].path"), (volume(name: "a", at: "/a/../b"), "volumes[0].path"),
        (volume(name: "a", at: "/proc"), "volumes[0].path"), (volume(name: "a", at: "/sys/fs"), "volumes[0].path"),
        (volume(name: "a", at: "/dev"), "volumes[0].path"), (volume(name: "a", at: "/dev/shm/x"), "volumes[0].path"),
    ]

    @Test(arguments: wrong.indices)
    func `each rule names the key it is about`(index: Int) {
        let (volume, path) = Self.wrong[index]
        let issues = Self.spec([volume]).issues()
        #expect(issues.map(\.path) == [path], "\(issues)")
    }

    @Test func `one path has one volume, and there is an end to their number`() {
        let twice = Self.spec([Self.volume(name: "a"), Self.volume(name: "b"), Self.volume(name: "c", at: "/other")])
        #expect(twice.issues().map(\.path) == ["volumes[1].path"])
        let many = Self.spec((0...VolumeSpec.limit).map { Self.volume(name: "a", at: "/data/\($0)") })
        #expect(many.issues().map(\.path) == ["volumes"])
    }
}
