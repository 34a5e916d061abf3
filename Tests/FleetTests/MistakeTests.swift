import ControlAPI
import Foundation
import SidekickModel
import Testing

/// What a user gets wrong is answered clearly, and what ran keeps running.
@Suite(.serialized) struct MistakeTests {
    @Test func `mistakes are named and what ran keeps running`() async throws {
        try await StandaloneHost.run { host in
            try await host.startWithExample(["min: 0": "min: 1"])
            try await host.must("wait", "hello", "--for", "settled")
            let (report, _) = try await host.underLoad(rate: 50, seconds: 15) {
                try await misspeltSpec(host)
                try await unknownImage(host)
                try await wrongDigest(host)
                try await truncatedArchive(host)
                try await escapingMember(host)
                try await takenPort(host)
            }
            expectNoneFailed(report)
        }
    }

    private func misspeltSpec(_ host: StandaloneHost) async throws {
        let file = "\(host.root)/wrong.yaml"
        try "service: web\nimage: web:1\nreplicas:\n  maks: 3\n".write(toFile: file, atomically: true, encoding: .utf8)
        let outcome = try await host.verb("apply", "-f", file)
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("\(file):4:3: replicas.maks: unknown key; did you mean ‘max’?"), "\(outcome.errors)")
    }

    private func unknownImage(_ host: StandaloneHost) async throws {
        let file = "\(host.root)/unknown.yaml"
        try "service: web\nimage: nowhere:7\n".write(toFile: file, atomically: true, encoding: .utf8)
        let outcome = try await host.verb("apply", "-f", file)
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("nowhere:7") && outcome.errors.contains("image import"), "\(outcome.errors)")
    }

    private func wrongDigest(_ host: StandaloneHost) async throws {
        let layout = "\(host.root)/layout"
        try FileManager.default.createDirectory(atPath: layout, withIntermediateDirectories: true)
        _ = try await Programs.run("/bin/tar", ["-xf", try await ExampleImages.path("hello-2.tar"), "-C", layout])
        let blobs = "\(layout)/blobs/sha256"
        // The layer is in the store already and would not be read again; the configuration is this image's own.
        let digest = try #require(
            FileManager.default.contentsOfDirectory(atPath: blobs).first {
                String(decoding: FileManager.default.contents(atPath: "\(blobs)/\($0)")?.prefix(16) ?? Data(), as: UTF8.self)
                    .hasPrefix("{\"architecture\"")
            })
        let blob = "\(blobs)/\(digest)"
        var data = try #require(FileManager.default.contents(atPath: blob))
        data[data.count / 2] ^= 1
        try data.write(to: URL(filePath: blob))
        let outcome = try await host.verb("image", "import", layout, "--name", "hello:wrong")
        #expect(outcome.code != 0)
        #expect(outcome.errors.contains("digest") && outcome.errors.contains(digest), "\(outcome.errors)")
        #expect(!(try await host.must("image", "list")).contains("hello:wrong"))
    }

    private func truncatedArchive(_ host: StandaloneHost) async throws {
        let data = try #require(FileManager.default.contents(atPath: try await ExampleImages.path("hello-2.tar")))
        let file = "\(host.root)/short.tar"
        try data.prefix(data.count / 2).write(to: URL(filePath: file))
        let outcome = try await host.verb("image", "import", file, "--name", "hello:short")
        #expect(outcome.code != 0)
        #expect(outcome.errors.contains("short.tar"), "\(outcome.errors)")
        #expect(!(try await host.must("image", "list")).contains("hello:short"))
    }

    private func escapingMember(_ host: StandaloneHost) async throws {
        let file = "\(host.root)/escape.tar"
        let secret = "\(host.root)/inside"
        try "x".write(toFile: secret, atomically: true, encoding: .utf8)
        _ = try await Programs.run(
            "/bin/tar",
            ["-cf", file, "-C", host.root, "--transform", "s,^inside,../../../../tmp/sk-escaped-\(host.name),", "-P", "inside"])
        let outcome = try await host.verb("image", "import", file, "--name", "hello:escape", "--command", "/x")
        #expect(outcome.code != 0)
        #expect(outcome.errors.contains("sk-escaped-\(host.name)"), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: "/tmp/sk-escaped-\(host.name)"))
    }

    private func takenPort(_ host: StandaloneHost) async throws {
        let outcome = try await Programs.run(
            Programs.sidekick,
            ["gateway", "--listen", "127.0.0.1:\(host.port)", "--data", "\(host.root)/other", "--run", "\(host.root)/run"])
        #expect(outcome.code == 2, "\(outcome.output)")
        #expect(outcome.errors.contains("127.0.0.1:\(host.port)"), "\(outcome.errors)")
    }
}
