import Agent
import AgentProtocol
import ContainerCore
import FoundationEssentials
import Glibc
import ImageStore
import SidekickModel
import Testing

/// Volumes of services in real containers: what a replica finds there decides whether it gets ready.
extension RealHostTests {
    /// An image of busybox's shell whose programs run as user 999.
    private static func shellImage(_ host: Host) async throws -> String {
        let root = "\(host.bench.directory)/shell"
        let busybox = access("/bin/busybox", R_OK) == 0 ? "/bin/busybox" : "/usr/bin/busybox"
        let commands = [
            "mkdir -p \(root)/bin \(root)/etc && chmod 755 \(root)", "cp \(busybox) \(root)/bin/busybox",
            "for name in sh test grep sleep; do ln -s busybox \(root)/bin/$name; done", "tar -C \(root) -cf \(root).tar .",
        ]
        try #require(system(commands.joined(separator: " && ")) == 0)
        var configuration = ImageConfiguration()
        configuration.entrypoint = ["/bin/sleep", "1000"]
        configuration.user = "999"
        let stored = try await host.images.importImage(
            path: "\(root).tar", name: "shell:1", configuration: configuration)
        return try #require(stored.first?.digest)
    }

    /// An order for a replica that runs `script` and is ready once `check` holds.
    private static func order(
        _ host: Host, _ image: String, _ replica: Int64, _ desired: DesiredState = .rung(.online), generation: Int64 = 1,
        revision: Int = 1, run script: String = ":", ready check: String = "true", with volumes: [VolumeSpec]
    ) -> Assignment {
        var order = host.order(replica, desired, generation: generation) {
            $0.ports = [:]
            $0.command = ["/bin/sh", "-c", "\(script); exec sleep 1000"]
            var probe = Probe()
            probe.exec = ["/bin/sh", "-c", check]
            probe.every = Milliseconds(50)
            $0.health.startup = probe
            $0.volumes = volumes
            $0.stop.grace = Milliseconds(100)
        }
        order.revision = revision
        order.imageDigest = image
        return order
    }

    private static func volume(_ change: (inout VolumeSpec) -> Void) -> VolumeSpec {
        var volume = VolumeSpec()
        change(&volume)
        return volume
    }

    @Test func `what a revision writes in a named volume the next one reads, and only an order removes it`() async throws {
        try await Self.run(4) { host in
            let image = try await Self.shellImage(host)
            let volumes = ServiceVolumes(stateDirectory: host.bench.directory)
            try await host.bench.startAgent(on: (host.engine, host.images))
            let data = Self.volume { ($0.name, $0.path) = ("data", "/data") }
            let scratch = Self.volume { ($0.tmpfs, $0.path) = (.mebibytes(1), "/data/scratch") }
            let first = Self.order(
                host, image, 1, run: "mkdir /data/scratch; echo one > /data/file", ready: "test -s /data/file", with: [data])
            try await host.bench.controller.sync([first], [host.bench.route])
            let inbox = host.bench.controller.observed
            _ = try await inbox.next("the writer is ready") {
                $0.replica == ReplicaID(1) && $0.phase == .settled && $0.rung == .online
            }
            var about = stat()
            #expect(lstat("\(volumes.path("web", "data"))/file", &about) == 0 && about.st_uid == 999, "mapped to its own ids")

            // As a rollout does: the new revision beside the old one, which then goes.
            let second = Self.order(
                host, image, 2, revision: 2, run: "echo two > /data/file; echo x > /data/scratch/x",
                ready: "grep -q two /data/file && test -s /data/scratch/x", with: [data, scratch])
            try await host.bench.controller.send(.assignments([second]))
            _ = try await inbox.next("the next revision is ready") {
                $0.replica == ReplicaID(2) && $0.phase == .settled && $0.rung == .online
            }
            #expect(try String(contentsOfFile: "\(volumes.path("web", "data"))/file", encoding: .utf8) == "two\n")
            #expect(lstat("\(volumes.path("web", "data"))/scratch/x", &about) != 0, "a tmpfs is the replica's own")
            try await host.bench.controller.send(
                .assignments([Self.order(host, image, 1, .removed, generation: 2, with: [data])]))
            _ = try await inbox.next("the writer is gone") { $0.replica == ReplicaID(1) && $0.phase == .removed }

            let guarded = Self.volume { ($0.name, $0.path, $0.readOnly) = ("data", "/data", true) }
            let reader = Self.order(
                host, image, 3, revision: 3,
                ready: "grep -q two /data/file && ! echo three > /data/file && ! echo x > /data/new", with: [guarded])
            try await host.bench.controller.send(.assignments([reader]))
            _ = try await inbox.next("the reader is ready") {
                $0.replica == ReplicaID(3) && $0.phase == .settled && $0.rung == .online
            }
            #expect(try String(contentsOfFile: "\(volumes.path("web", "data"))/file", encoding: .utf8) == "two\n")

            // Kept while replicas stand here, whoever asks.
            try await host.bench.controller.send(.removeVolumes(["web"]))
            for (replica, revision) in [(2, 2), (3, 3)] as [(Int64, Int)] {
                try await host.bench.controller.send(
                    .assignments([Self.order(host, image, replica, .removed, generation: 2, revision: revision, with: [data])]))
                _ = try await inbox.next("\(replica) is gone") { $0.replica == ReplicaID(replica) && $0.phase == .removed }
            }
            #expect(volumes.all() == [ServiceVolumes.Volume(service: "web", name: "data")])
            try await host.bench.controller.send(.forget([ReplicaID(1), ReplicaID(2), ReplicaID(3)]))
            try await host.bench.controller.send(.removeVolumes(["web"]))
            for _ in 0..<2000 where !volumes.all().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            #expect(volumes.all().isEmpty)
        }
    }

    @Test func `a host path is mounted, and one that leads through a link or is missing fails with the reason`() async throws {
        let shared = "/tmp/sidekick-shared-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: shared) }
        try FileManager.default.createDirectory(atPath: "\(shared)/real", withIntermediateDirectories: true)
        try #require(system("echo hello > \(shared)/real/file && ln -s real \(shared)/link") == 0)
        try await Self.run(5) { host in
            let image = try await Self.shellImage(host)
            try await host.bench.startAgent(on: (host.engine, host.images))
            func mounted(_ path: String) -> VolumeSpec {
                Self.volume { ($0.host, $0.path, $0.readOnly) = (path, "/shared", true) }
            }
            let check = "grep -q hello /shared/file && ! echo x > /shared/new"
            let good = Self.order(host, image, 1, ready: check, with: [mounted("\(shared)/real")])
            try await host.bench.controller.sync([good], [host.bench.route])
            let inbox = host.bench.controller.observed
            _ = try await inbox.next("it is mounted") { $0.replica == ReplicaID(1) && $0.phase == .settled && $0.rung == .online }
            let cases: [(Int64, String, String)] = [
                (2, "\(shared)/link", "symbolic link"), (3, "\(shared)/link/file", "symbolic link"),
                (4, "\(shared)/missing", "make it on this host first"), (5, host.bench.directory, "sidekick's own"),
            ]
            for (replica, path, why) in cases {
                try await host.bench.controller.send(.assignments([Self.order(host, image, replica, with: [mounted(path)])]))
                let failed = try await inbox.next("it fails") { $0.replica == ReplicaID(replica) && $0.failure != nil }
                #expect(failed.failure?.contains(path) == true && failed.failure?.contains(why) == true, "\(failed)")
            }
        }
    }
}
