import ContainerCore
import FoundationEssentials
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
            assignment, attempt: 2, image: UnpackedImage(digest: "sha256:1", layers: layers, configuration: configuration))
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
