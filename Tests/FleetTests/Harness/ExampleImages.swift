import Foundation

/// The example service's images, built once for all tests of this process.
enum ExampleImages {
    private static let directory = "/tmp/sk-images-\(getpid())"
    private static let built = Task {
        let outcome = try await Programs.run(Programs.repository + "/deploy/examples/build-images.sh", [directory])
        guard outcome.code == 0 else { throw HarnessError("build-images.sh: \(outcome.output)\(outcome.errors)") }
        atexit { try? FileManager.default.removeItem(atPath: "/tmp/sk-images-\(getpid())") }
    }

    /// Path of `hello-1.tar` and the like.
    static func path(_ file: String) async throws -> String {
        try await built.value
        return "\(directory)/\(file)"
    }
}

extension StandaloneHost {
    /// The example service's spec, with some of its lines replaced.
    func writeSpec(_ changes: [String: String] = [:], service: String = "hello") throws -> String {
        var text = try String(contentsOfFile: Programs.repository + "/deploy/examples/hello.yaml", encoding: .utf8)
        for (before, after) in changes {
            guard text.contains(before) else { throw HarnessError("hello.yaml does not hold ‘\(before)’") }
            text = text.replacingOccurrences(of: before, with: after)
        }
        let file = "\(root)/\(service).yaml"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    /// Starts with the example service applied and its first standby ready.
    func startWithExample(_ changes: [String: String] = [:]) async throws {
        try await start()
        try await must("image", "import", try await ExampleImages.path("hello-1.tar"))
        try await must("apply", "-f", try writeSpec(changes), "--wait", "--timeout", "60s")
    }
}
