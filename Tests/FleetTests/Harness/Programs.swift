import Foundation

/// Where the build put what the fleet tests run.
enum Programs {
    /// The directory of the built products, which is where this test's own executable is.
    static let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    static let sidekick = products + "/sidekick"
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    struct Outcome {
        var code: Int32
        var output: String
        var errors: String
    }

    /// Runs a program to its end. Blocks a thread of its own, not the caller's.
    static func run(_ program: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> Outcome {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        async let text = readAll(output)
        async let complaint = readAll(errors)
        let outcome = await (text, complaint)
        process.waitUntilExit()
        return Outcome(code: process.terminationStatus, output: outcome.0, errors: outcome.1)
    }

    private static func readAll(_ pipe: Pipe) async -> String {
        let handle = pipe.fileHandleForReading
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                let data = (try? handle.readToEnd()) ?? Data()
                continuation.resume(returning: String(decoding: data, as: UTF8.self))
            }
        }
    }
}

struct HarnessError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
