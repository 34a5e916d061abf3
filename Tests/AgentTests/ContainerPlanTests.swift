import ContainerCore
import FoundationEssentials
import Glibc
import ImageStore
import LinuxShims
import SidekickModel
import Testing

@testable import Agent

struct ContainerPlanTests {
    private func plan(
        _ image: (inout ImageConfiguration) -> Void, files: [[String: String]] = [[:]],
        spec change: (inout ServiceSpec) -> Void = { _ in }
    ) throws -> ContainerConfiguration {
        let directory = "/tmp/sidekick-plan-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var layers: [String] = []
        for (number, contents) in files.enumerated() {
            layers.append("\(directory)/\(number)")
            try FileManager.default.createDirectory(atPath: "\(directory)/\(number)/etc", withIntermediateDirectories: true)
            for (name, text) in contents {
                _ = FileManager.default.createFile(atPath: "\(directory)/\(number)/etc/\(name)", contents: Data(text.utf8))
            }
        }
        var configuration = ImageConfiguration()
        configuration.entrypoint = ["/bin/web"]
        configuration.command = ["--fast"]
        image(&configuration)
        var spec = ServiceSpec(service: "web", image: "web:1")
        change(&spec)
        let assignment = Assignment(
            replica: ReplicaID(12), service: "web", revision: 3, generation: 4, desired: .rung(.online), spec: spec,
            imageDigest: "sha256:1")
        return try ContainerPlan.configuration(
            assignment, attempt: 2, image: UnpackedImage(digest: "sha256:1", layers: layers, configuration: configuration),
            volumes: ServiceVolumes(stateDirectory: directory), keeping: ["/var/lib/sidekick/agent", "/run/sidekick"])
    }

    @Test func `volumes are mounted outer before inner, and a host path does not follow links`() throws {
        var inner = VolumeSpec(), outer = VolumeSpec(), host = VolumeSpec()
        (inner.tmpfs, inner.path) = (.mebibytes(1), "/srv/data/tmp")
        (outer.name, outer.path) = ("data", "/srv/data")
        (host.host, host.path, host.readOnly) = ("/etc", "/srv/ssl", true)
        let mounts = try plan({ _ in }) { $0.volumes = [inner, outer, host] }.mounts
        #expect(mounts.map(\.target) == ["/srv/data", "/srv/ssl", "/srv/data/tmp"])
        #expect(mounts[0].kind == .bind && mounts[0].source.hasSuffix("/volumes/web/data") && !mounts[0].readOnly)
        #expect(
            mounts[1]
                == ContainerMount(kind: .bind, source: "/etc", target: "/srv/ssl", readOnly: true, refusesLinks: true))
        #expect(mounts[2] == ContainerMount(kind: .tmpfs, source: "", target: "/srv/data/tmp", readOnly: false, size: 1 << 20))
    }

    @Test(arguments: [
        ("/", "sidekick's own"), ("/var/lib", "sidekick's own"), ("/var/lib/sidekick/agent/volumes/db", "sidekick's own"),
        ("/run/sidekick/control.sock", "sidekick's own"), ("/nowhere/at/all", "make it on this host first"),
    ])
    func `a host path that is the sidekick's own or missing is refused with the reason`(path: String, why: String) throws {
        var volume = VolumeSpec()
        (volume.host, volume.path) = (path, "/data")
        let error = #expect(throws: AgentError.self) { try plan({ _ in }) { $0.volumes = [volume] } }
        #expect(error?.message.contains(path) == true && error?.message.contains(why) == true, "\(String(describing: error))")
    }

    @Test func `a named volume begins as the image's directory, or the user's, and is made once`() throws {
        let directory = "/tmp/sidekick-volumes-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for path in ["upper/etc", "lower/var/lib/db", "lower/hidden/db"] {
            try FileManager.default.createDirectory(atPath: "\(directory)/\(path)", withIntermediateDirectories: true)
        }
        try #require(mknod("\(directory)/upper/hidden", S_IFCHR, 0) == 0)
        try #require(chown("\(directory)/lower/var/lib/db", 999, 998) == 0)
        try #require(chmod("\(directory)/lower/var/lib/db", 0o2750) == 0)
        var configuration = ImageConfiguration()
        configuration.entrypoint = ["/db"]
        let image = UnpackedImage(
            digest: "sha256:1", layers: ["\(directory)/upper", "\(directory)/lower"], configuration: configuration)
        let volumes = ServiceVolumes(stateDirectory: directory)
        func made(_ name: String, at path: String) throws -> [UInt32] {
            var spec = ServiceSpec(service: "db", image: "db:1"), volume = VolumeSpec()
            (volume.name, volume.path) = (name, path)
            spec.volumes = [volume]
            let order = Assignment(
                replica: ReplicaID(1), service: "db", revision: 1, generation: 1, desired: .rung(.online), spec: spec,
                imageDigest: "sha256:1")
            let mounts = try VolumePlan.mounts(
                order, image: image, user: ContainerUser(uid: 5, gid: 6), in: volumes, keeping: [])
            #expect(mounts.map(\.source) == [volumes.path("db", name)])
            var about = stat()
            try #require(lstat(mounts[0].source, &about) == 0)
            return [about.st_uid, about.st_gid, about.st_mode & 0o7777]
        }
        #expect(try made("a", at: "/var/lib/db") == [999, 998, 0o2750])
        #expect(try made("b", at: "/not/there") == [5, 6, 0o755])
        #expect(try made("c", at: "/hidden/db") == [5, 6, 0o755])
        try #require(chown(volumes.path("db", "a"), 1, 2) == 0)
        #expect(try made("a", at: "/var/lib/db") == [1, 2, 0o2750])
        #expect(volumes.all().map(\.name) == ["a", "b", "c"])
        var about = stat()
        #expect(lstat(volumes.root, &about) == 0 && about.st_mode & 0o7777 == 0o700)
        try volumes.remove("db", "a")
        #expect(volumes.all().map(\.name) == ["b", "c"])
        try volumes.remove("db")
        try volumes.remove("db")
        #expect(volumes.all().isEmpty)
    }

    @Test func `the image's program runs unless the spec says another`() throws {
        #expect(try plan { _ in }.arguments == ["/bin/web", "--fast"])
        #expect(try plan({ _ in }, spec: { $0.command = ["/bin/sh", "-c", "x"] }).arguments == ["/bin/sh", "-c", "x"])
        #expect(throws: AgentError.self) {
            try plan {
                $0.entrypoint = []
                $0.command = []
            }
        }
    }

    @Test func `the spec's environment wins over the image's, and ours over both`() throws {
        let environment = try plan(
            { $0.environment = ["PATH=/x", "A=image", "B=image"] },
            spec: { $0.env = ["A": "spec", "SIDEKICK_REPLICA": "fake"] }
        ).environment
        #expect(
            environment.sorted() == [
                "A=spec", "B=image", "HOME=/", "HOSTNAME=r12", "PATH=/x", "SIDEKICK_REPLICA=r12", "SIDEKICK_REVISION=3",
                "SIDEKICK_SERVICE=web",
            ])
    }

    @Test func `names, limits and labels come from the order`() throws {
        let configuration = try plan({ $0.workingDirectory = "/srv" }) {
            $0.resources.cpu = MilliCPU(500)
            $0.resources.memory = .mebibytes(64)
            $0.resources.pids = 9
        }
        #expect(configuration.id == "r12-2" && configuration.hostname == "r12" && configuration.workingDirectory == "/srv")
        #expect(configuration.limits.cpuMillis == 500 && configuration.limits.pids == 9)
        #expect(configuration.limits.memoryBytes == 64 << 20 && configuration.limits.memoryAndSwapBytes == 64 << 20)
        let status = ContainerStatus(
            id: "r12-2", state: .running, pid: 1, guardPID: 2, address: nil, exit: nil, labels: configuration.labels)
        let owner = try #require(ReplicaContainer.owner(status))
        #expect(owner.replica == ReplicaID(12) && owner.attempt == 2 && owner.assignment?.generation == 4)
    }

    static let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:100:101:Web:/srv:/bin/false\n"
    static let group = "root:x:0:\nweb:x:101:\nlogs:x:7:daemon,web\n"

    @Test(
        arguments: [
            ("", 0, 0, []), ("root", 0, 0, []), ("web", 100, 101, [7]), ("100", 100, 101, [7]), ("4000", 4000, 0, []),
            ("web:logs", 100, 7, []), ("web:55", 100, 55, []), ("4000:4001", 4000, 4001, []),
        ] as [(String, UInt32, UInt32, [UInt32])])
    func `users are looked up in the image`(user: String, uid: UInt32, gid: UInt32, groups: [UInt32]) throws {
        let configuration = try plan({ $0.user = user }, files: [["passwd": Self.passwd, "group": Self.group]])
        #expect(configuration.user == ContainerUser(uid: uid, gid: gid, additionalGroups: groups))
    }

    @Test func `a higher layer's passwd hides a lower one's`() throws {
        let files = [["passwd": "web:x:5:6::/home:/bin/sh\n"], ["passwd": Self.passwd]]
        let configuration = try plan({ $0.user = "web" }, files: files)
        #expect(configuration.user.uid == 5 && configuration.environment.contains("HOME=/home"))
        #expect(throws: AgentError.self) { try plan({ $0.user = "nobody" }, files: files) }
        #expect(throws: AgentError.self) { try plan({ $0.user = "web:nogroup" }, files: files) }
    }

    @Test func `an opaque directory hides what is below it`() throws {
        let directory = "/tmp/sidekick-plan-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for layer in ["upper", "lower"] {
            try FileManager.default.createDirectory(atPath: "\(directory)/\(layer)/etc", withIntermediateDirectories: true)
        }
        _ = FileManager.default.createFile(atPath: "\(directory)/lower/etc/passwd", contents: Data(Self.passwd.utf8))
        let layers = ["\(directory)/upper", "\(directory)/lower"]
        #expect(try ImageUsers.find("web", layers: layers).user.uid == 100)
        #expect(setxattr("\(directory)/upper/etc", "trusted.overlay.opaque", "y", 1, 0) == 0)
        #expect(throws: AgentError.self) { try ImageUsers.find("web", layers: layers) }
    }

    @Test func `a link in the image leads nowhere`() throws {
        let directory = "/tmp/sidekick-plan-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: "\(directory)/etc", withDestinationPath: "/etc")
        #expect(throws: AgentError.self) { try ImageUsers.find("daemon", layers: [directory]) }
        try FileManager.default.removeItem(atPath: "\(directory)/etc")
        try FileManager.default.createDirectory(atPath: "\(directory)/etc", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: "\(directory)/etc/passwd", withDestinationPath: "/etc/passwd")
        #expect(throws: AgentError.self) { try ImageUsers.find("daemon", layers: [directory]) }
    }
}
